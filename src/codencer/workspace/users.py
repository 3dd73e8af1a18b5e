"""The user's own repository at the door: git as the user runs it, minus every way to run other code.

Used where the user's index, refs or files are the subject: finding a base, taking a dirty one,
landing. The user's configuration holds (filters, line endings, sparse checkouts, ignore rules);
hooks, fsmonitor, signing, pagers, automatic gc and submodule recursion are off.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Final

from codencer.errors import Conflict, GitFailed, InvalidInput
from codencer.workspace.git import HARDENING, Git, failure, quote_path
from codencer.workspace.store import Store

_THE_USERS: Final = frozenset(
    {
        "core.untrackedCache",
        "core.sparseCheckout",
        "core.preloadIndex",
        "core.trustctime",
        "core.checkStat",
        "core.fileMode",
        "core.symlinks",
        "core.ignoreCase",
        "core.protectNTFS",
        "core.protectHFS",
        "core.excludesFile",
        "core.logAllRefUpdates",
        "protocol.allow",
    }
)
"""What the bridge fixes for its own work trees only: facts and habits of the user's file system."""

_NAMES_SHOWN: Final = 20


@dataclass(frozen=True)
class UsersGit(Git):
    """Git in a checkout of the user's, found from `work_tree`; `settings` are not used."""

    @cached_property
    def _environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        env |= {
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
        }
        if self.index is not None:
            env["GIT_INDEX_FILE"] = str(self.index)
        pairs = [pair for pair in HARDENING if pair[0] not in _THE_USERS]
        env["GIT_CONFIG_COUNT"] = str(len(pairs))
        for number, (key, value) in enumerate(pairs):
            env[f"GIT_CONFIG_KEY_{number}"] = key
            env[f"GIT_CONFIG_VALUE_{number}"] = value
        return env


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """One work tree of the user's: `git_dir` holds its HEAD and index."""

    store: Store
    top: Path
    git_dir: Path

    @property
    def index(self) -> Path:
        return self.git_dir / "index"

    @property
    def umask(self) -> int:
        """That of the user's own git, as its index shows it: the daemon's would make files private."""
        try:
            mode = self.index.stat().st_mode
        except FileNotFoundError:
            return -1
        return 0o777 & ~(mode | (mode & 0o444) >> 2)

    def git(self, index: Path | None = None) -> Git:
        return UsersGit(self.store, work_tree=self.top, index=index, umask=self.umask)


def find_checkout(store: Store, folder: Path) -> Checkout:
    """Return the checkout that a folder is in.

    Raises:
        InvalidInput: it is in none, or in one of another repository.
    """
    git = UsersGit(store, work_tree=folder)
    asked = ("--is-inside-work-tree", "--absolute-git-dir", "--git-common-dir", "--show-toplevel")
    done = git.call("rev-parse", "--path-format=absolute", *asked)
    if done.stdout.startswith(b"false"):
        raise InvalidInput(f"{folder} has no work tree: it is a bare repository or inside a git directory.")
    if done.code != 0:
        raise GitFailed(f"git finds no repository in {folder}: {failure(done)}")
    _, git_dir, common, top = os.fsdecode(done.stdout).removesuffix("\n").split("\n", 3)
    if Path(common).resolve() != store.common_dir:
        raise InvalidInput(f"{folder} belongs to another repository ({common}), not to {store.common_dir}.")
    return Checkout(store=store, top=Path(top), git_dir=Path(git_dir))


def commit_at(git: Git, revision: str) -> str | None:
    """Return the commit that a revision names (tags peeled), None when there is none."""
    done = git.call("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    found = done.stdout.decode("ascii", "replace").strip()
    return found if done.code == 0 and git.store.is_object_id(found) else None


def copy_index(source: Path, target: Path) -> None:
    """Copy an index file; its mtime tells git which entries may be stale, so it is kept."""
    try:
        before = source.stat()
        copyfile(source, target)
    except FileNotFoundError:
        return
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))


@contextmanager
def scratch_index(store: Store) -> Iterator[Path]:
    """A path for an index file of the bridge's own, gone afterwards."""
    with TemporaryDirectory(dir=store.bridge_dir, prefix="index-") as folder:
        yield Path(folder, "index")


def refuse_unmerged(git: Git) -> None:
    """Raise Conflict naming the files that wait for a merge to be resolved."""
    entries = git.run("ls-files", "-z", "--unmerged").split(b"\0")[:-1]
    if entries:
        paths = {entry.partition(b"\t")[2] for entry in entries}
        raise Conflict(f"These files have unresolved merge conflicts: {listed(paths)}. Resolve them first.")


def listed(paths: Iterable[bytes]) -> str:
    """Paths for a message: sorted, quoted where needed, the first twenty of them."""
    names = [quote_path(path) for path in sorted(paths)]
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
