"""The object store: several objects read with one git process, and whether it can be written at all."""

import os
from collections.abc import Iterable
from tempfile import TemporaryFile

from codencer.errors import StorageFailed
from codencer.workspace.git import Git
from codencer.workspace.store import Store

_PROBE_BYTES = 64 * 1024


def read_objects(git: Git, names: Iterable[str]) -> list[bytes | None]:
    """Return the content of each named object, None for one that is not there.

    A name is anything git resolves to an object, and holds no newline.
    """
    request = "".join(f"{name}\n" for name in names).encode()
    answer = git.run("cat-file", "--batch", stdin=request) if request else b""
    found: list[bytes | None] = []
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        kind, _, size = answer[at:end].rpartition(b" ")
        if kind and size.isdigit():
            at = end + 1 + int(size) + 1
            found.append(answer[end + 1 : at - 1])
        else:
            at = end + 1
            found.append(None)
    return found


def refuse_unwritable(store: Store) -> None:
    """Tell a disk that fails from anything else that keeps git from storing something.

    Raises:
        StorageFailed: nothing can be written beside the objects, or where the bridge works; no file's fault.
    """
    for folder in (store.common_dir / "objects", store.bridge_dir):
        try:
            with TemporaryFile(dir=folder) as probe:
                probe.write(bytes(_PROBE_BYTES))
                probe.flush()
                os.fsync(probe)
        except OSError as cause:
            raise StorageFailed(f"Nothing more can be stored in {folder}: {cause.strerror}.") from cause
