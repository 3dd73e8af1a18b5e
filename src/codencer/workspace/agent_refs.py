"""What an agent's git directory points at, read as plain data: git never runs in there.

Every file is opened without following a symlink, must be a regular one, and is read up to a limit;
everything that is not a full object id or a well-formed ref name is skipped.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from codencer.workspace.folders import is_folder

_MAX_FILE_BYTES = 16 * 1024 * 1024
_MAX_FILES = 10_000
MAX_POINTERS = 2_000
"""Bounds on what one attempt may leave; far above what an agent makes in hours."""

_REF_NAME = re.compile(rb"refs(/(?!\.|[^/]*\.lock(/|$))[^/\x00-\x20\x7f~^:?*\[\\]+)+")
_OBJECT_ID = re.compile(rb"(?:[0-9a-f]{64}|[0-9a-f]{40})(?![0-9a-f])")
_PSEUDO_REFS = (
    "HEAD",
    "ORIG_HEAD",
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "AUTO_MERGE",
)


@dataclass(frozen=True, kw_only=True)
class Pointers:
    """`head` is None when HEAD leads to no object id; `others` are ids in no order; `all_read` is
    false when a limit was reached."""

    head: str | None
    others: frozenset[str]
    all_read: bool


def read_pointers(git_dir: Path) -> Pointers:
    """Return what HEAD, the refs, the reflogs and pseudo refs of this directory name."""
    packed = _packed(git_dir)
    head = _resolve(git_dir, packed)
    found = set(packed.values())
    files = list(islice(_ref_files(git_dir), _MAX_FILES + 1))
    for path in files[:_MAX_FILES]:
        found.update(_ids(_read(path)))
        if len(found) > MAX_POINTERS:
            break
    ids = sorted(each.decode("ascii") for each in found if each.strip(b"0"))
    return Pointers(
        head=head.decode("ascii") if head else None,
        others=frozenset(ids[:MAX_POINTERS]),
        all_read=len(files) <= _MAX_FILES and len(ids) <= MAX_POINTERS,
    )


def _resolve(git_dir: Path, packed: dict[bytes, bytes]) -> bytes | None:
    text = _read(git_dir / "HEAD").strip()
    for _ in range(5):
        if _OBJECT_ID.fullmatch(text):
            return text
        name = text.removeprefix(b"ref:").strip()
        if not text.startswith(b"ref:") or not _REF_NAME.fullmatch(name) or b".." in name:
            return None
        text = _read(git_dir / os.fsdecode(name)).strip() or packed.get(name, b"")
    return None


def _packed(git_dir: Path) -> dict[bytes, bytes]:
    refs = {}
    for line in _read(git_dir / "packed-refs").split(b"\n"):
        commit, _, name = line.partition(b" ")
        if _OBJECT_ID.fullmatch(commit):
            refs[name] = commit
    return refs


def _ref_files(git_dir: Path) -> Iterator[Path]:
    """Pseudo refs, loose refs and reflogs, of the directory itself and of its linked worktrees."""
    homes = [git_dir]
    if is_folder(git_dir / "worktrees"):
        homes += sorted((git_dir / "worktrees").iterdir())
    for home in homes:
        yield from (home / name for name in _PSEUDO_REFS)
        for root in (home / "logs", home / "refs"):
            if is_folder(root):
                for folder, _folders, names in os.walk(root):
                    yield from (Path(folder, name) for name in names)


def _ids(content: bytes) -> Iterator[bytes]:
    """The ids at the start of each line: one in a ref, old and new in a reflog."""
    for line in content.split(b"\n"):
        for word in line[:140].split(b" ", 2)[:2]:
            if _OBJECT_ID.fullmatch(word.strip()):
                yield word.strip()


def _read(path: Path) -> bytes:
    try:
        # Non-blocking: a named pipe in its place must not hold the bridge up.
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return b""
    with os.fdopen(number, "rb") as file:
        about = os.fstat(number)
        if not stat.S_ISREG(about.st_mode) or about.st_size > _MAX_FILE_BYTES:
            return b""
        return file.read(_MAX_FILE_BYTES)
