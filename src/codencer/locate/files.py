"""Small files, read and written so that nothing half-done is ever seen.

Reading is bounded and takes regular files only: a FIFO or a device in a hostile repository
must neither block nor fill the memory. Writing goes through a temporary file, fsync and
rename, so a reader sees the old content or the new one.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codencer.errors import InvalidInput, StorageFailed, TooLarge

SMALL = 1024 * 1024
"""Bytes; ample for every file of settings or state read through this module."""


def read_regular(path: Path, limit: int = SMALL) -> bytes | None:
    """Return the content of a regular file, or None where there is none.

    Raises:
        InvalidInput: it is there and is not a regular file.
        TooLarge: it has more than `limit` bytes.
        StorageFailed: it cannot be read.
    """
    try:
        # Without O_NONBLOCK opening a FIFO would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        raise StorageFailed(f"{path} cannot be read: {problem.strerror}") from problem
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidInput(f"{path} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise TooLarge(f"{path} is larger than {limit} bytes")
    return content


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path` durably; the folder must exist.

    Raises:
        StorageFailed: disk full, read-only, or not allowed; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.rename(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as problem:
        raise StorageFailed(f"{path} cannot be written: {problem.strerror}; nothing was changed") from problem


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` (made if needed); held for moments only.

    Raises:
        StorageFailed: the lock file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise StorageFailed(f"{path} cannot be locked: {problem.strerror}") from problem
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_private(folder: Path) -> Path:
    """Make `folder` (0700) and its parents.

    Raises:
        StorageFailed: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise StorageFailed(f"{folder} cannot be made: {problem.strerror}") from problem
    return folder
