"""Finds the repository a folder belongs to, by reading files the way git lays them out.

Layouts known: a `.git` directory, a `.git` file (linked worktree, submodule), and a bare
repository, which is refused because there is no checkout to work from.
See gitrepository-layout(5).
"""

import os
from dataclasses import dataclass
from pathlib import Path

from codencer.errors import InvalidInput, NotFound
from codencer.locate.files import read_regular


@dataclass(frozen=True, kw_only=True)
class Repository:
    """One checkout and its git directories, all absolute and free of symlinks.

    `git_dir` is the checkout's own; `common_dir` is shared by all linked worktrees, and is
    what an instance is bound to. They are equal outside a linked worktree.
    """

    top: Path
    git_dir: Path
    common_dir: Path


def find_repository(cwd: Path) -> Repository:
    """Return the repository whose checkout holds `cwd`.

    Raises:
        NotFound: `cwd` is in no repository, or does not exist.
        InvalidInput: it is bare, `cwd` is inside its git directory, or its `.git` is broken.
    """
    try:
        start = Path(os.path.realpath(cwd, strict=True))
    except OSError as problem:
        raise NotFound(f"{cwd}: {problem.strerror}") from problem
    for folder in (start, *start.parents):
        found = _repository_at(folder)
        if found is not None:
            return found
        if _is_git_dir(folder):
            _refuse_git_dir(start, folder)
    raise NotFound(
        f"{start} is not in a git repository: change into one, or make one here with "
        "`git init` and a first commit"
    )


def _repository_at(folder: Path) -> Repository | None:
    marker = folder / ".git"
    if marker.is_dir():
        # An empty or unrelated `.git` folder is passed over, as git does.
        return _ordinary(folder, Path(os.path.realpath(marker))) if _is_git_dir(marker) else None
    if not os.path.lexists(marker):
        return None
    return _elsewhere(folder, marker)


def _ordinary(top: Path, git_dir: Path) -> Repository:
    if _says_bare(git_dir):
        raise InvalidInput(
            f"{git_dir} is a bare repository (core.bare is true): Codencer needs a checkout; "
            "use one of its linked worktrees, or clone it"
        )
    return Repository(top=top, git_dir=git_dir, common_dir=_common_dir(git_dir))


def _elsewhere(top: Path, marker: Path) -> Repository:
    """Follow a `.git` file: `gitdir: PATH`, relative to the folder it lies in."""
    line = (read_regular(marker, 64 * 1024) or b"").removesuffix(b"\n").removesuffix(b"\r")
    if not line.startswith(b"gitdir: "):
        raise InvalidInput(f"{marker} is neither a git directory nor a file that names one")
    target = top / os.fsdecode(line.removeprefix(b"gitdir: "))
    git_dir = Path(os.path.realpath(target))
    if not _is_git_dir(git_dir):
        raise InvalidInput(
            f"{marker} points to {git_dir}, which is not a git directory: it was moved or removed; "
            "`git worktree repair` or `git submodule update --init` mends this"
        )
    return Repository(top=top, git_dir=git_dir, common_dir=_common_dir(git_dir))


def _is_git_dir(folder: Path) -> bool:
    if not os.path.lexists(folder / "HEAD"):
        return False
    if (folder / "commondir").is_file():
        return True
    return (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _common_dir(git_dir: Path) -> Path:
    content = read_regular(git_dir / "commondir", 64 * 1024)
    if content is None:
        return git_dir
    common = Path(os.path.realpath(git_dir / os.fsdecode(content.rstrip(b"\r\n"))))
    if not common.is_dir():
        raise InvalidInput(
            f"{git_dir / 'commondir'} points to {common}, which is not there: run `git worktree repair` "
            "in the main checkout"
        )
    return common


def _refuse_git_dir(start: Path, git_dir: Path) -> None:
    if git_dir.name == ".git" or (git_dir / "commondir").is_file() or not _says_bare(git_dir):
        raise InvalidInput(
            f"{start} is inside a git directory ({git_dir}): change into the checkout it belongs to"
        )
    raise InvalidInput(
        f"{git_dir} is a bare repository: Codencer needs a checkout to work from; clone it, or add a "
        "worktree with `git worktree add`"
    )


def _says_bare(git_dir: Path) -> bool:
    """Read `core.bare` of the repository's own config; includes are not followed."""
    section = b""
    bare = False
    for raw in (read_regular(git_dir / "config") or b"").splitlines():
        line = raw.strip().lower()
        if line.startswith(b"["):
            section = line.partition(b"]")[0].removeprefix(b"[").strip()
        elif section == b"core":
            key, _, value = line.partition(b"=")
            if key.strip() == b"bare":
                bare = value.split(b"#")[0].split(b";")[0].strip() in {b"true", b"yes", b"on", b"1"}
    return bare
