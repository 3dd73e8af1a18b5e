"""Overlays: files of the planner's that are laid over a tree for one validation only.

Captured at submission into an archive that depends on names, modes and contents alone, and is called by
its SHA-256; so the record says exactly what was laid. Only regular files: a link could lead out.
Laying follows no link that lies in the tree, and replaces whatever stands in the way.
"""

import hashlib
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from codencer.errors import InvalidInput, StorageFailed

MOST_FILES = 10_000
MOST_BYTES = 256 * 1024 * 1024


def capture(source: Path, folder: Path) -> str:
    """Store the files below `source` as `folder/<SHA-256>.tar` and return that digest.

    Raises:
        InvalidInput: it is no folder, has too many files or bytes, or something that is no regular file.
        StorageFailed: the archive cannot be written.
    """
    if not source.is_dir():
        raise InvalidInput(f"the overlay {source} is no folder")
    draft = folder / f"draft.{os.getpid()}.{os.urandom(6).hex()}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            _write(file, source)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        draft.replace(folder / f"{digest}.tar")
    except OSError as problem:
        raise StorageFailed(f"the overlay {source} cannot be captured: {problem}") from problem
    finally:
        draft.unlink(missing_ok=True)
    return digest


def _write(file: io.BufferedRandom, source: Path) -> None:
    size = count = 0
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(_names(source)):
            info = tarfile.TarInfo(name)
            with open(os.open(source / name, os.O_RDONLY | os.O_NOFOLLOW), "rb") as content:
                status = os.fstat(content.fileno())
                info.size, info.mode = status.st_size, 0o755 if status.st_mode & stat.S_IXUSR else 0o644
                size, count = size + info.size, count + 1
                if size > MOST_BYTES or count > MOST_FILES:
                    raise InvalidInput(
                        f"the overlay {source} has more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB"
                    )
                archive.addfile(info, content)


def _names(source: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(source):
        if ".git" in folders:
            folders.remove(".git")
        for name in (*folders, *files):
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                yield path.relative_to(source).as_posix()
            elif not stat.S_ISDIR(mode):
                raise InvalidInput(f"the overlay has something that is neither file nor folder: {path}")


def lay_overlay(archive: Path, workspace: Path) -> list[str]:
    """Lay the files of a captured overlay into a workspace and return their names.

    Raises:
        StorageFailed: the archive is gone or was changed, or the workspace cannot be written.
    """
    try:
        with archive.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != archive.stem:
                raise StorageFailed(f"the captured overlay {archive} was changed: submit the task again")
            file.seek(0)
            with tarfile.open(fileobj=file) as content:
                return [_lay_one(content, member, workspace) for member in content if member.isreg()]
    except (OSError, tarfile.TarError) as problem:
        raise StorageFailed(f"the overlay {archive} cannot be laid over {workspace}: {problem}") from problem


def _lay_one(content: tarfile.TarFile, member: tarfile.TarInfo, workspace: Path) -> str:
    *folders, name = member.name.split("/")
    place = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for folder in folders:
            inner = _entered(folder, place)
            os.close(place)
            place = inner
        _clear(name, place)
        target = os.open(
            name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, member.mode, dir_fd=place
        )
        data = content.extractfile(member)
        with open(target, "wb") as file:
            if data is not None:
                shutil.copyfileobj(data, file)
    finally:
        os.close(place)
    return member.name


def _entered(name: str, place: int) -> int:
    """A folder inside of `place`, made where something else or nothing is."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=place)
    except OSError:
        _clear(name, place)
        os.mkdir(name, 0o755, dir_fd=place)
        return os.open(name, flags, dir_fd=place)


def _clear(name: str, place: int) -> None:
    try:
        mode = os.stat(name, dir_fd=place, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        shutil.rmtree(name, dir_fd=place)
    else:
        os.unlink(name, dir_fd=place)
