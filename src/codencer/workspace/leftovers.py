"""Putting files of a checkout back: after a landing that failed, and after one that was cut off.

In the first case nobody else was there since the files were compared. In the second one the user may have
been: a file is put back only where the index still has what it held before, and where the file holds what
was to be landed, or the beginning of it. Whatever else is found there is the user's, and stays.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

from codencer.errors import GitFailed
from codencer.workspace.diff import ABSENT, Entry
from codencer.workspace.folders import beyond_symlinks
from codencer.workspace.git import Git
from codencer.workspace.users import Checkout, scratch_index

_PIECE: Final = 256 * 1024


def put_back(checkout: Checkout, git: Git, entries: Iterable[Entry]) -> None:
    """Make these paths what the index of `git` says; none of them holds work of the user's."""
    entries = list(entries)
    for entry in entries:
        if entry.status == "A":
            _remove(os.fsencode(checkout.top), entry.path)
    paths = b"".join(entry.path + b"\0" for entry in entries if entry.status != "A")
    git.run("checkout-index", "--force", "-z", "--stdin", stdin=paths)


def left_over(checkout: Checkout, git: Git, entries: Iterable[Entry]) -> list[Entry]:
    """Return those of the entries whose files a landing that was cut off has left behind.

    Args:
        git: with a copy of the user's index, refreshed.
        entries: what that landing was to change.
    """
    indexed = dict(_indexed(git))
    untouched = [each for each in entries if indexed.get(each.path) == _before(each)]
    beyond = beyond_symlinks(checkout.top, (each.path for each in untouched))
    there = [each for each in untouched if each.path not in beyond]
    changed = _differing(git)
    moved = [
        each
        for each in there
        if (each.path in changed if each.status != "A" else os.path.lexists(_full(checkout, each.path)))
    ]
    written = _written(checkout, moved)
    return [each for each in moved if each.path in written or _was_cut_off(checkout, git, each)]


def _indexed(git: Git) -> Iterator[tuple[bytes, tuple[str, str]]]:
    for line in git.run("ls-files", "-s", "-z").split(b"\0")[:-1]:
        about, _, path = line.partition(b"\t")
        mode, blob, _stage = about.decode("ascii").split(" ")
        yield path, (mode, blob)


def _before(entry: Entry) -> tuple[str, str] | None:
    return None if entry.status == "A" else (entry.old_mode, entry.old_id)


def _differing(git: Git) -> set[bytes]:
    return set(git.run("diff-files", "-z", "--name-only", "--no-renames").split(b"\0"))


def _written(checkout: Checkout, entries: Iterable[Entry]) -> set[bytes]:
    """Paths that are as they were to become, by an index of just these."""
    entries = list(entries)
    gone = {each.path for each in entries if each.new_mode == ABSENT}
    lines = (
        f"{each.new_mode} {each.new_id}\t".encode() + each.path + b"\0"
        for each in entries
        if each.new_mode != ABSENT
    )
    with scratch_index(checkout.store) as index:
        new = checkout.git(index)
        new.run("update-index", "--add", "-z", "--index-info", stdin=b"".join(lines))
        new.call("update-index", "-q", "--refresh")
        different = _differing(new)
    written = {each.path for each in entries if each.path not in gone | different}
    return written | {path for path in gone if _made_way(checkout, path, written)}


def _made_way(checkout: Checkout, path: bytes, written: set[bytes]) -> bool:
    """Whether nothing is left at a path that was to go, but files that were written below it."""
    top, full = os.fsencode(checkout.top), _full(checkout, path)
    if os.path.islink(full) or not os.path.isdir(full):
        return not os.path.lexists(full)
    below = (os.path.join(folder, name) for folder, _, names in os.walk(full) for name in names)
    return all(os.path.relpath(each, top) in written for each in below)


def _was_cut_off(checkout: Checkout, git: Git, entry: Entry) -> bool:
    """Whether git was killed while it replaced this file: it is missing, or only its beginning is there."""
    path = _full(checkout, entry.path)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
    except (FileNotFoundError, NotADirectoryError):
        return True
    if not entry.new_mode.startswith("100"):
        return False
    with TemporaryDirectory(dir=checkout.store.bridge_dir, prefix="landing-") as folder:
        whole = Path(folder, "whole")
        try:
            name = os.fsdecode(entry.path)
            git.run("cat-file", "--filters", f"--path={name}", entry.new_id, stdout_file=whole)
        except GitFailed:
            return False  # a filter that fails now cannot tell
        with open(path, "rb") as found, whole.open("rb") as expected:
            return _begins_with(expected, found)


def _begins_with(whole: IO[bytes], beginning: IO[bytes]) -> bool:
    while piece := beginning.read(_PIECE):
        if whole.read(len(piece)) != piece:
            return False
    return True


def _full(checkout: Checkout, path: bytes) -> bytes:
    return os.path.join(os.fsencode(checkout.top), path)


def _remove(top: bytes, path: bytes) -> None:
    full = os.path.join(top, path)
    with suppress(FileNotFoundError, NotADirectoryError):
        if os.path.isdir(full) and not os.path.islink(full):
            os.rmdir(full)
        else:
            os.unlink(full)
    # Folders that were made for it go as well; the first one that is not empty ends this.
    with suppress(OSError):
        while path := os.path.dirname(path):
            os.rmdir(os.path.join(top, path))
