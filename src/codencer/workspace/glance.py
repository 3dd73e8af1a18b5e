"""A glance at a workspace while an agent works in it: what differs from the base by now.

Nothing is stored, refreshed or locked: the bridge's own index is only read, and so are the files.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from codencer.workspace.collect import base_rules
from codencer.workspace.git import Git, GitSettings, Store

MOST_NAMED = 200
"""Paths on one command line; beyond that the whole workspace is looked at."""


def count_changes(store: Store, settings: GitSettings, *, workspace: Path, index: Path) -> int:
    """Return how many paths differ from the base, untracked ones included, by the snapshot's ignore rules.

    A renamed file counts twice, a repository of its own (a submodule, too) once.

    Raises:
        GitFailed: git could not list the files.
        OSError: the index is not there, or the disk is full.
    """
    return len(changed_paths(Git(store, settings, work_tree=workspace, index=index)))


def changed_paths(git: Git, under: Sequence[bytes] = ()) -> set[bytes]:
    """The paths that differ from the base: all, or those that are or lie below some of `under`.

    A repository of its own has a slash at its end. Raises as `count_changes` does.
    """
    return _listed(git, ("-m", "-d", "-o"), under)


def ignored_folders(git: Git, under: Sequence[bytes] = ()) -> set[bytes]:
    """Folders of which no file can differ: the rules ignore all that is in them, and nothing is tracked."""
    listed = _listed(git, ("-o", "-i", "--directory"), under)
    return {path[:-1] for path in listed if path.endswith(b"/")}


def _listed(git: Git, what: Sequence[str], under: Sequence[bytes]) -> set[bytes]:
    assert git.index is not None
    named = [path.decode("utf-8", "surrogateescape") for path in under] if len(under) <= MOST_NAMED else []
    with NamedTemporaryFile(dir=git.index.parent, prefix="ignore.") as rules:
        rules.write(base_rules(git))
        rules.flush()
        words = ("ls-files", "-z", *what, f"--exclude-from={rules.name}", "--", *named)
        return set(git.run(*words).split(b"\0")[:-1])
