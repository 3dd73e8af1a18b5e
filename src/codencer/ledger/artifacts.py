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
from io import BufferedReader
from pathlib import Path, PurePosixPath

from codencer.errors import InvalidInput, NotFound, StorageFailed
from codencer.ledger.connection import storage_failed
from codencer.ledger.filesystem import sync
from codencer.model.artifact import Artifact
from codencer.model.ids import IdKind, new_id

LONGEST_PART = 200
"""Bytes of one part of a name; file systems allow 255, and the temporary name needs some."""
COPY_BYTES = 1024 * 1024


class ArtifactStore:
    """Keeps evidence below `root`, which is made when the first file is sealed."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def seal(
        self, attempt_folder: str, name: str, source: Path | bytes, media_type: str, attempt_id: str
    ) -> Artifact:
        """Put content or a file into the store and return its description. Blocking.

        A source file is moved: afterwards it is at its place in the store only. Sealing it once
        more, after a crash in between, gives the same artifact.

        Args:
            attempt_folder: `run/step/attempt`, relative.
            name: a relative path of one or more parts.

        Raises:
            InvalidInput: a name leads elsewhere, or the source is no regular file.
            NotFound: there is neither the source nor an earlier result of sealing it.
            StorageFailed: the disk is full, read-only or failing.
        """
        relative = _checked(attempt_folder) / _checked(name)
        target = self.root / relative
        try:
            self._make_folder(target.parent)
            if isinstance(source, bytes):
                self._write(source, target)
            else:
                self._move(source, target)
            with _open_regular(target) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = os.fstat(file.fileno()).st_size
        except OSError as problem:
            raise storage_failed(problem, target) from problem
        return Artifact(
            id=new_id(IdKind.ARTIFACT),
            attempt_id=attempt_id,
            name=name,
            path=relative.as_posix(),
            size=size,
            sha256=digest,
            media_type=media_type,
            created_at=time.time_ns() // 1000,
        )

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
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
            sync(each.parent)

    def _check_inside(self, path: Path) -> None:
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise InvalidInput(f"{path} leads out of the evidence folder through a symbolic link")

    def _write(self, content: bytes, target: Path) -> None:
        unfinished = _unfinished(target)
        with unfinished.open("xb") as file:
            file.write(content)
            file.flush()
            _settle(file.fileno())
        os.replace(unfinished, target)
        sync(target.parent)

    def _move(self, source: Path, target: Path) -> None:
        if not os.path.lexists(source):
            if os.path.lexists(target):
                return
            raise NotFound(f"there is no {source} to keep as evidence")
        with _open_regular(source) as file:
            found = os.fstat(file.fileno())
            # Another name of the same file could go on changing it after it was hashed.
            if found.st_dev == target.parent.stat().st_dev and found.st_nlink == 1:
                _settle(file.fileno())
                os.replace(source, target)
            else:
                unfinished = _unfinished(target)
                with unfinished.open("xb") as copy:
                    shutil.copyfileobj(file, copy, COPY_BYTES)
                    copy.flush()
                    _settle(copy.fileno())
                os.replace(unfinished, target)
                source.unlink()
        sync(target.parent)


def _settle(descriptor: int) -> None:
    """Make an open file read-only and durable."""
    os.fchmod(descriptor, 0o444)
    os.fsync(descriptor)


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
