"""Where the objects lie that attempts borrow from the user's repository, and its other checkouts.

Read from files, as gitrepository-layout(5) has them; nothing is started.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from codencer.workspace.names import unquote_path

MOST_BORROWED = 50
"""Git follows five alternates in a row."""


def object_folders(common_dir: Path) -> list[Path]:
    """The object stores of a repository, of its submodules, and of all that these borrow from."""
    found = [common_dir / "objects", *_of_modules(common_dir / "modules")]
    for folder in found:
        found += (each for each in _borrowed(folder) if each not in found and len(found) < MOST_BORROWED)
    return [folder for folder in found if folder.is_dir()]


def worktrees(common_dir: Path) -> list[Path]:
    """The linked work trees that a repository knows of."""
    notes = sorted((common_dir / "worktrees").glob("*/gitdir"))
    return [Path(os.fsdecode(note.read_bytes().strip())).parent for note in notes]


def _borrowed(objects: Path) -> Iterator[Path]:
    try:
        lines = (objects / "info" / "alternates").read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        if line and not line.startswith(b"#"):
            name = os.fsdecode(unquote_path(line.decode("utf-8", "surrogateescape")))
            yield Path(os.path.normpath(objects / name))


def _of_modules(folder: Path) -> Iterator[Path]:
    """A module's name may have slashes, so its store may lie deeper."""
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if (entry / "objects").is_dir():
            yield entry / "objects"
            yield from _of_modules(entry / "modules")
        elif entry.is_dir():
            yield from _of_modules(entry)
