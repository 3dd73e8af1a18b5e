"""Putting paths into an index of ours, whatever state they are in.

All at once when git agrees. When it does not, carefully: what cannot be read is set aside, the
culprits are found by halving, and each is stored as it is, without its filter. One bad file never
keeps the others out; a disk that takes no more is no file's fault, and then nothing is stored.
"""

import os
import stat
from collections.abc import Collection, Sequence

from codencer.errors import GitFailed, StorageFailed
from codencer.workspace.git import Git, failure, quote_path
from codencer.workspace.objects import refuse_unwritable

_MAX_CULPRITS = 50
"""Files looked for one by one; with more the fault lies elsewhere and the rest is listed as refused."""


def stage(git: Git, paths: Sequence[bytes]) -> list[str]:
    """Make the index hold what the work tree has at these paths, and return which names git never stores.

    Raises:
        GitFailed: a file could not be stored, and so none was.
    """
    said = _add(git, [path for path in paths if not _forbidden(path)])
    if said:
        raise GitFailed(f"git could not store the files of {git.work_tree}: {said}")
    return [f"{quote_path(path)}: git stores no path with this name" for path in paths if _forbidden(path)]


def stage_carefully(git: Git, paths: Sequence[bytes]) -> list[str]:
    """Store what can be stored of these paths, and return what went wrong, one line for each file.

    Raises:
        StorageFailed: a file can be read, and what was read cannot be written.
    """
    problems, readable = [], []
    for path in paths:
        trouble = _trouble(git, path)
        if trouble:
            problems.append(f"{quote_path(path)}: {trouble}")
        else:
            readable.append(path)
    _add_halves(git, readable, problems, _MAX_CULPRITS)
    return problems


def unstage(git: Git, paths: Collection[bytes]) -> None:
    """Take these paths out of the index, whatever the work tree has there."""
    if paths:
        names = b"".join(path + b"\0" for path in paths)
        git.run("update-index", "--force-remove", "-z", "--stdin", stdin=names)


def _add(git: Git, paths: Sequence[bytes]) -> str:
    """Add, replace or remove the paths; return what git said when it refused, and then nothing was done."""
    if not paths:
        return ""
    names = b"".join(path + b"\0" for path in paths)
    done = git.call("update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=names)
    return failure(done) or f"code {done.code}" if done.code else ""


def _add_halves(git: Git, paths: Sequence[bytes], problems: list[str], culprits: int) -> int:
    """Add what can be added; return how many more culprits may be looked for."""
    said = _add(git, paths)
    if not said:
        return culprits
    if culprits <= 0:
        refuse_unwritable(git.store)
        problems.append(f"{len(paths)} files from {quote_path(paths[0])} on: {said}")
        return 0
    if len(paths) == 1:
        if trouble := _add_as_is(git, paths[0], said):
            problems.append(f"{quote_path(paths[0])}: {trouble}: {said}")
        return culprits - 1
    middle = len(paths) // 2
    culprits = _add_halves(git, paths[:middle], problems, culprits)
    return _add_halves(git, paths[middle:], problems, culprits)


def _add_as_is(git: Git, path: bytes, said: str) -> str:
    """Store a file that git refused without its filter, and return how far that went.

    Raises:
        StorageFailed: it was not the file that git stumbled over.
    """
    if not git.ok("update-index", "--force-write-index"):
        raise StorageFailed(f"The index {git.index} cannot be written: {said}")
    try:
        mode, words, stdin = _as_is(git, path)
    except OSError as cause:
        return f"not stored: {cause.strerror}"
    if not git.ok("hash-object", *words, stdin=stdin):
        return "not stored"
    done = git.call("hash-object", "-w", *words, stdin=stdin)
    if done.code:
        raise StorageFailed(f"Nothing more can be stored in {git.store.common_dir}: {failure(done) or said}")
    if not _add(git, [path]):
        return ""  # there is room again
    entry = b"%s %s\t%s\0" % (mode, done.stdout.strip(), path)
    if not git.ok("update-index", "--add", "--replace", "-z", "--index-info", stdin=entry):
        return "not stored"
    return "stored without its filter"


def _as_is(git: Git, path: bytes) -> tuple[bytes, tuple[str, ...], bytes | None]:
    """What `hash-object` needs to read a file or symlink unfiltered: the mode, its words and its input."""
    mode = os.lstat(_at(git, path)).st_mode
    if stat.S_ISLNK(mode):  # itself, not what it leads to
        return b"120000", ("--stdin",), os.readlink(_at(git, path))
    executable = b"100755" if mode & stat.S_IXUSR else b"100644"
    return executable, ("--no-filters", "--", os.fsdecode(path)), None


def _trouble(git: Git, path: bytes) -> str:
    """Why a path cannot be stored, "" when it can or is gone."""
    if _forbidden(path):
        return "git stores no path with this name"
    try:
        mode = os.lstat(_at(git, path)).st_mode
        if stat.S_ISREG(mode):
            os.close(os.open(_at(git, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
        elif not (stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
            return "a socket, pipe or device, which git cannot store; it is left as the base has it"
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as cause:
        return f"not stored: {cause.strerror}"
    return ""


def _at(git: Git, path: bytes) -> bytes:
    assert git.work_tree is not None
    return os.fsencode(git.work_tree) + b"/" + path


def _forbidden(path: bytes) -> bool:
    lowered = path.lower()
    return b".git" in lowered and b".git" in lowered.split(b"/")
