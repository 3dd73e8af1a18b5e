"""A glance at a workspace while an agent works in it: how much differs from the base by now.

Nothing is stored, refreshed or locked: the bridge's own index is only read, and so are the files.
"""

from pathlib import Path
from tempfile import NamedTemporaryFile

from codencer.workspace.collect import base_rules
from codencer.workspace.git import Git, GitSettings, Store


def count_changes(store: Store, settings: GitSettings, *, workspace: Path, index: Path) -> int:
    """Return how many paths differ from the base, untracked ones included, by the snapshot's ignore rules.

    A renamed file counts twice, a repository of its own (a submodule, too) once.

    Raises:
        GitFailed: git could not list the files.
        OSError: the index is not there, or the disk is full.
    """
    git = Git(store, settings, work_tree=workspace, index=index)
    with NamedTemporaryFile(dir=index.parent, prefix="ignore.") as rules:
        rules.write(base_rules(git))
        rules.flush()
        listing = git.run("ls-files", "-z", "-m", "-d", "-o", f"--exclude-from={rules.name}")
    return len(set(listing.split(b"\0")[:-1]))
