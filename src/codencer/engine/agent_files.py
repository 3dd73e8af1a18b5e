"""Files that a two-way agent has the bridge read or write: regular ones inside its workspace, and no others.

The agent may change any folder of the path into a link meanwhile, so each is opened from the one before
and links are followed nowhere. Writing is repeatable: done twice, it leaves the same.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from codencer.errors import Forbidden, InvalidInput, NotFound, TooLarge
from codencer.model.dialogue import FileRead, FileWrite

LARGEST_READ = 4 * 1024 * 1024
"""Bytes; as JSON it may take six times as much, and one frame has 32 MiB."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # opening a pipe must not wait for its other end


def write(workspace: Path, asked: FileWrite) -> None:
    """Write a file whole, and the folders above it that are missing.

    Raises:
        Forbidden, InvalidInput: the path leads out of the workspace, or to no regular file.
        OSError: the system refuses.
    """
    folders, name = _parts(workspace, asked.path)
    with _folder(workspace, folders, make=True) as folder:
        file = os.open(name, os.O_WRONLY | os.O_CREAT | _FILE, 0o666, dir_fd=folder)
        with os.fdopen(file, "wb") as target:
            _require_regular(file, asked.path)
            os.ftruncate(file, 0)
            target.write(asked.text.encode("utf-8", "replace"))


def read(workspace: Path, asked: FileRead) -> str:
    """The text of a file, or the lines of it that are asked for.

    Raises:
        Forbidden, InvalidInput: the path leads out of the workspace, or to no regular file.
        TooLarge: it is more than one answer holds. OSError: the system refuses.
    """
    folders, name = _parts(workspace, asked.path)
    with _folder(workspace, folders, make=False) as folder:
        file = os.open(name, os.O_RDONLY | _FILE, dir_fd=folder)
        with os.fdopen(file, "rb") as source:
            _require_regular(file, asked.path)
            first = max(1, asked.first or 1) - 1
            last = None if asked.lines is None else first + asked.lines
            if (first, last) == (0, None):
                data = source.read(LARGEST_READ + 1)
            else:
                data = b"".join(_bounded(islice(_lines(source), first, last)))
    if len(data) > LARGEST_READ:
        raise TooLarge(f"{asked.path} has more than {LARGEST_READ} bytes; ask for some lines of it")
    return data.decode("utf-8", "replace")


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Its lines; one that is too long to be given anyway comes in pieces."""
    return iter(lambda: source.readline(LARGEST_READ + 1), b"")


def _bounded(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines until they are more than may be given."""
    size = 0
    for line in lines:
        yield line
        size += len(line)
        if size > LARGEST_READ:
            return


def _parts(workspace: Path, path: str) -> tuple[list[str], str]:
    """Folders and name of a file below the workspace, which an agent may know by its real name."""
    whole, real = os.path.normpath(os.path.join(workspace, path)), os.path.realpath(workspace)
    top = real if whole.startswith(real + os.sep) else workspace
    *folders, name = os.path.relpath(whole, top).split(os.sep)
    if name in (os.curdir, os.pardir) or os.pardir in folders:
        raise Forbidden(f"{path} is not inside the workspace {workspace}")
    if ".git" in (*folders, name):
        raise Forbidden(f"{path} belongs to git, which is not written to or read this way")
    return folders, name


@contextmanager
def _folder(workspace: Path, folders: list[str], *, make: bool) -> Iterator[int]:
    opened = os.open(workspace, _FOLDER)
    try:
        for name in folders:
            below = _below(opened, name, make)
            os.close(opened)
            opened = below
        yield opened
    finally:
        os.close(opened)


def _below(opened: int, name: str, make: bool) -> int:
    if make:
        with suppress(FileExistsError):  # it is a folder, or opening it is refused
            os.mkdir(name, dir_fd=opened)
    try:
        return os.open(name, _FOLDER, dir_fd=opened)
    except FileNotFoundError as problem:
        raise NotFound(f"there is no folder {name}") from problem


def _require_regular(file: int, path: str) -> None:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise InvalidInput(f"{path} is not a regular file")
