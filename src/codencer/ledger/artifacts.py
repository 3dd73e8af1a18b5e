"""The files of evidence: sealed once, read-only, addressed by where they belong.

A file lies at ROOT/run/step/attempt/name and has its final name only when it is complete,
hashed and durable. Nothing outside the root is ever named, whatever a name contains.
"""

import errno
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from itertools import takewhile
from pathlib import Path, PurePosixPath

from codencer.errors import InvalidInput, NotFound, StorageFailed
from codencer.failpoints import reach
from codencer.ledger.connection import storage_failed
from codencer.ledger.filesystem import sync
from codencer.model.artifact import Artifact
from codencer.model.ids import IdKind, new_id

LONGEST_PART = 200
"""Bytes of one part of a name; file systems allow 255, and the temporary name needs some."""
COPY_BYTES = 1024 * 1024


Sealable = tuple[str, Path | bytes, str]
"""(name, content or path of a file to move, media type)"""


class ArtifactStore:
    """Keeps evidence below `root`, which is made when the first file is sealed."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def seal(
        self, attempt_folder: str, name: str, source: Path | bytes, media_type: str, attempt_id: str
    ) -> Artifact:
        """Put one file into the store, as `seal_all` does.

        Raises:
            NotFound: there is neither the source nor an earlier result of sealing it.
        """
        sealed = self.seal_all(attempt_folder, [(name, source, media_type)], attempt_id)
        if not sealed:
            raise NotFound(f"there is no {source!s} to keep as evidence")
        return sealed[0]

    def seal_all(self, attempt_folder: str, files: Sequence[Sealable], attempt_id: str) -> list[Artifact]:
        """Put content or files into the store and return their descriptions, in order. Blocking.

        A source file is moved: afterwards it is at its place in the store only. Sealing it once
        more, after a crash in between, gives the same artifact. One that is neither at its source
        nor in the store is passed over. All are flushed together, which lets one commit of the
        file system's journal serve them all.

        Args:
            attempt_folder: `run/step/attempt`, relative.
            files: (name, content or path, media type); a name is a relative path.

        Raises:
            InvalidInput: a name leads elsewhere, or a source is no regular file.
            StorageFailed: the disk is full, read-only or failing.
        """
        folder = _checked(attempt_folder)
        target = self.root / folder
        staged: list[_Staged] = []
        made: set[Path] = set()
        try:
            with ExitStack() as opened:
                for name, source, media_type in files:
                    relative = folder / _checked(name)
                    target = self.root / relative
                    if target.parent not in made:
                        self._make_folder(target.parent)
                        made.add(target.parent)
                    at = _stage(source, target)
                    if at is not None:
                        file = opened.enter_context(_open_regular(at))
                        staged.append(_Staged(name, relative, target, source, media_type, at, file))
                for each in staged:
                    target = each.target
                    each.settle()
                described = [each.describe(attempt_id) for each in staged]
                for each in staged:
                    target = each.target
                    reach("artifact.place:before")
                    each.put_in_place()
                reach("artifact.place:after")
                for parent in {each.target.parent for each in staged}:
                    sync(parent)
                return described
        except OSError as problem:
            raise storage_failed(problem, target) from problem

    def path(self, artifact: Artifact) -> Path:
        """Return where the file of an artifact is.

        Raises:
            InvalidInput: its path leads out of the store.
            NotFound: the file is gone.
            StorageFailed: its size is not what was sealed.
        """
        target = self.root / _checked(artifact.path)
        self._check_inside(target)
        try:
            found = target.lstat()
        except FileNotFoundError as problem:
            raise NotFound(f"the file of {artifact.name} is gone from the evidence ({target})") from problem
        except OSError as problem:
            raise storage_failed(problem, target) from problem
        if not stat.S_ISREG(found.st_mode) or found.st_size != artifact.size:
            raise StorageFailed(
                f"the file {target} is not the one that was sealed ({found.st_size} bytes, sealed with "
                f"{artifact.size}); it is not served. Its SHA-256 was {artifact.sha256}."
            )
        return target

    def _make_folder(self, folder: Path) -> None:
        self._check_inside(folder)
        missing = list(takewhile(lambda each: not each.exists(), (folder, *folder.parents)))
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
            sync(each.parent)

    def _check_inside(self, path: Path) -> None:
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise InvalidInput(f"{path} leads out of the evidence folder through a symbolic link")


@dataclass(frozen=True)
class _Staged:
    """A file on its way to its place: where its bytes are now, and open for as long as it takes."""

    name: str
    relative: PurePosixPath
    target: Path
    source: Path | bytes
    media_type: str
    at: Path
    file: BufferedReader

    def settle(self) -> None:
        """Make it read-only and durable."""
        os.fchmod(self.file.fileno(), 0o444)
        os.fsync(self.file.fileno())

    def put_in_place(self) -> None:
        if self.at != self.target:
            os.replace(self.at, self.target)
        if isinstance(self.source, Path) and self.at != self.source:
            self.source.unlink(missing_ok=True)

    def describe(self, attempt_id: str) -> Artifact:
        self.file.seek(0)
        return Artifact(
            id=new_id(IdKind.ARTIFACT),
            attempt_id=attempt_id,
            name=self.name,
            path=self.relative.as_posix(),
            size=os.fstat(self.file.fileno()).st_size,
            sha256=hashlib.file_digest(self.file, "sha256").hexdigest(),
            media_type=self.media_type,
            created_at=time.time_ns() // 1000,
        )


def _stage(source: Path | bytes, target: Path) -> Path | None:
    """Return where the bytes are that will be at `target`: the source itself, or a copy beside it."""
    if not isinstance(source, bytes) and not os.path.lexists(source):
        return target if os.path.lexists(target) else None
    copy = _unfinished(target)
    if isinstance(source, bytes):
        copy.write_bytes(source)
        return copy
    with _open_regular(source) as file:
        found = os.fstat(file.fileno())
        # Another name of the same file could go on changing it after it was hashed.
        if found.st_dev == target.parent.stat().st_dev and found.st_nlink == 1:
            return source
        with copy.open("xb") as written:
            shutil.copyfileobj(file, written, COPY_BYTES)
    return copy


def _unfinished(target: Path) -> Path:
    """A free name beside `target`; what an interrupted attempt left there is removed."""
    path = target.with_name(f".{target.name}.new")
    path.unlink(missing_ok=True)
    return path


def _open_regular(path: Path) -> BufferedReader:
    """Open for reading, never through a link and never waiting on a pipe an agent may have made."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as problem:
        if problem.errno in (errno.ELOOP, errno.ENXIO):
            raise InvalidInput(f"{path} is not a regular file; it is not kept as evidence") from problem
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidInput(f"{path} is not a regular file; it is not kept as evidence")
    return os.fdopen(descriptor, "rb")


def _checked(path: str) -> PurePosixPath:
    """Return a relative path whose every part is a plain name."""
    parts = path.split("/")
    for part in parts:
        if not part or part.startswith(".") or not part.isprintable() or len(part.encode()) > LONGEST_PART:
            raise InvalidInput(f"{path!a} cannot name evidence: {part!a} is not a plain name")
    return PurePosixPath(*parts)
