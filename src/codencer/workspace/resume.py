"""Putting the work of an earlier attempt into a fresh checkout, as changes nobody has committed.

The bridge's own index stays that of the base: what was changed then and now is found by the same rules
(the base's ignore rules above all), as if one agent had done all of it.
"""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from codencer.errors import StorageFailed
from codencer.workspace.git import Git, GitSettings, Store
from codencer.workspace.submodules import module_index, read_gitlinks


def lay_on(store: Store, settings: GitSettings, *, workspace: Path, index: Path, snapshot: str) -> None:
    """Make the files of a freshly filled workspace those of the commit `snapshot`.

    Raises:
        GitFailed: git could not write them. StorageFailed: the disk could not.
    """
    try:
        _lay_on(store, settings, workspace, index, snapshot)
    except OSError as cause:
        raise StorageFailed(
            f"The work of the attempt before ({snapshot}) cannot be laid into {workspace}: {cause}."
        ) from cause


def _lay_on(store: Store, settings: GitSettings, workspace: Path, index: Path, snapshot: str) -> None:
    with TemporaryDirectory(dir=index.parent, prefix=f"{index.name}-on-") as folder:
        copy = Path(folder, "index")
        # With its time: git trusts an entry only when it is older than the index.
        shutil.copy2(index, copy)
        git = Git(store, settings, work_tree=workspace, index=copy)
        git.run("read-tree", "-u", "--reset", snapshot)
        links = read_gitlinks(git, snapshot)
    for link in links:
        inner = module_index(index, link.path)
        if link.store is not None and inner.exists():
            _lay_on(link.store, settings, workspace / os.fsdecode(link.path), inner, link.commit)
