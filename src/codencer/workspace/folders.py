"""Whether a folder is really there, where an agent may have put something else in its place."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path


def is_folder(path: Path) -> bool:
    """Whether there is a directory, itself no symlink."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def is_inside(folder: Path, top: Path) -> bool:
    """Whether there is a directory below `top`, and no part of the way to it is a symlink."""
    while folder != top:
        if not is_folder(folder):
            return False
        folder = folder.parent
    return is_folder(top)


def beyond_symlinks(top: Path, paths: Iterable[bytes]) -> set[bytes]:
    """Return those relative paths that have a symlink among their folders."""
    root = os.fsencode(top)
    linked: dict[bytes, bool] = {}
    beyond = set()
    for path in paths:
        at = path.find(b"/")
        while at != -1:
            folder = path[:at]
            if folder not in linked:
                linked[folder] = os.path.islink(root + b"/" + folder)
            if linked[folder]:
                beyond.add(path)
                break
            at = path.find(b"/", at + 1)
    return beyond
