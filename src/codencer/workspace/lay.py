"""Make the files of a workspace exactly a given tree again, before each validation.

What git tracks is reset through the bridge's own index; what an earlier command left behind is
removed, unless the base's ignore rules hide it (build products stay). Nothing outside the
workspace is reached, whatever symlinks lie in it, and no `.git` at its top is touched.
"""

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from codencer.errors import GitFailed, StorageFailed
from codencer.failpoints import reach
from codencer.globs import Globs
from codencer.workspace.collect import base_rules
from codencer.workspace.git import Git, GitSettings, failure
from codencer.workspace.provisioned import is_noted
from codencer.workspace.release import discard
from codencer.workspace.store import Store
from codencer.workspace.users import scratch_index

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Ignored files that match `globs` go too, unless they are as they were when they were `noted`.

    Otherwise a forged `.pyc` beside a protected test would be run instead of it. What was
    provisioned before the agent started stays.
    """

    globs: Sequence[str]
    noted: Mapping[bytes, int]


def lay_validated(
    store: Store,
    settings: GitSettings,
    *,
    workspace: Path,
    index: Path,
    base: str,
    tree: str,
    guard: Guard | None = None,
) -> None:
    """Make the files of `workspace` those of `tree`; submodules that were filled keep their content.

    Args:
        index: the bridge's own index file, outside the workspace; it may be stale or missing.
        base: the commit whose ignore rules say which untracked files may stay.

    Raises:
        GitFailed: git could not write the tree.
        StorageFailed: a leftover could not be removed.
    """
    try:
        if workspace.is_symlink() or not workspace.is_dir():
            discard(workspace)
            workspace.mkdir(mode=0o700)
        # A git of ours that was killed leaves its lock; nobody else uses this index.
        index.with_name(f"{index.name}.lock").unlink(missing_ok=True)
        git = Git(store, settings, work_tree=workspace, index=index)
        rules = _rules(git, index, base)
        reach("validated.lay:before")
        try:
            _reset(git, rules, tree, guard)
        except (GitFailed, PermissionError):
            # Commands leave folders behind that not even their owner may write into.
            _open_folders(workspace)
            _reset(git, rules, tree, guard)
        reach("validated.lay:after")
    except OSError as cause:
        raise StorageFailed(f"The workspace {workspace} cannot be laid out again: {cause}.") from cause


def _reset(git: Git, rules: Path, tree: str, guard: Guard | None) -> None:
    assert git.work_tree is not None
    git.run("read-tree", "-u", "--reset", tree)
    leftovers = _untracked(git, rules)
    if guard is not None and guard.globs:
        leftovers += _guarded(git.work_tree, guard, _untracked(git, rules, "--ignored"))
    if leftovers:
        _remove(git.work_tree, leftovers)


def _untracked(git: Git, rules: Path, *which: str) -> list[bytes]:
    done = git.call("ls-files", "-z", "--others", f"--exclude-from={rules}", *which)
    # Git goes on after a folder it cannot open and ends with code 0; only its words tell.
    if done.code != 0 or done.stderr:
        raise GitFailed(f"git cannot list the files of {git.work_tree}: {failure(done)}")
    return done.stdout.split(b"\0")[:-1]


def _guarded(top: Path, guard: Guard, ignored: Iterable[bytes]) -> Iterator[bytes]:
    for path in filter(Globs(guard.globs).matches, ignored):
        if not is_noted(guard.noted, top, path):
            yield path


def _rules(git: Git, index: Path, base: str) -> Path:
    """The base's ignore rules as one file beside the index, written once."""
    rules = index.with_name(f"{index.name}-ignore-{base}")
    if not rules.exists():
        with scratch_index(git.store) as scratch:
            own = Git(git.store, git.settings, index=scratch)
            own.run("read-tree", base)
            draft = scratch.with_name("ignore")
            draft.write_bytes(base_rules(own))
            shutil.move(draft, rules)
    return rules


def _remove(top: Path, paths: Iterable[bytes]) -> None:
    """Remove files, and whole repositories (their names end with a slash), and folders left empty."""
    by_folder = sorted((os.path.split(path.removesuffix(b"/")) for path in paths), reverse=True)
    for folder, entries in groupby(by_folder, key=lambda entry: entry[0]):
        with suppress(FileNotFoundError, NotADirectoryError), _opened(top, folder) as place:
            for _, name in entries:
                _remove_one(name, place)
        _prune(top, folder)


def _remove_one(name: bytes, place: int) -> None:
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=place, follow_symlinks=False).st_mode):
            shutil.rmtree(os.fsdecode(name), dir_fd=place)
        else:
            os.unlink(name, dir_fd=place)


def _prune(top: Path, folder: bytes) -> None:
    with suppress(OSError):
        while folder:
            folder, name = os.path.split(folder)
            with _opened(top, folder) as parent:
                os.rmdir(name, dir_fd=parent)


@contextmanager
def _opened(top: Path, folder: bytes) -> Iterator[int]:
    """A descriptor of a folder below `top`, reached without following any symlink."""
    place = os.open(top, _FOLDER)
    try:
        for name in folder.split(b"/") if folder else ():
            inner = os.open(name, _FOLDER, dir_fd=place)
            os.close(place)
            place = inner
        yield place
    finally:
        os.close(place)


def _open_folders(workspace: Path) -> None:
    """Give the owner all rights on every folder, parents first."""
    os.chmod(workspace, stat.S_IRWXU | stat.S_IMODE(workspace.stat().st_mode))
    for _, folders, _, place in os.fwalk(workspace, follow_symlinks=False):
        for name in folders:
            mode = os.stat(name, dir_fd=place, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
                os.chmod(name, stat.S_IMODE(mode) | stat.S_IRWXU, dir_fd=place)
