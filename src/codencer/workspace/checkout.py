"""Filling a workspace: the base commit's files, and a git directory of the agent's own.

A workspace appears under its name only when it is whole. The bridge keeps an index of its own
outside it, so that what an agent does to the index in the workspace hides nothing.
"""

import os
import shutil
from pathlib import Path

from codencer.errors import GitFailed, StorageFailed
from codencer.failpoints import reach
from codencer.workspace.agent_git import make_git_dir
from codencer.workspace.git import Git, GitSettings, Store
from codencer.workspace.release import discard
from codencer.workspace.submodules import module_index, read_gitlinks

NEXT_TO_NOTHING_BYTES = 1024 * 1024
"""A disk with less than this left is why a checkout failed; git itself does not say so."""


def fill(
    store: Store, settings: GitSettings, *, workspace: Path, index: Path, base: str, branch: str
) -> None:
    """Make `workspace` a fresh checkout of `base`, on `branch`; whatever is there is discarded.

    `index` is the bridge's own index file and must lie outside the workspace.

    Raises:
        GitFailed: the base cannot be checked out.
        StorageFailed: the workspace cannot be written.
    """
    draft = workspace.with_name(f"{workspace.name}.filling")
    try:
        for left_over in (workspace, draft, index.with_name(f"{index.name}-modules")):
            discard(left_over)
        draft.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _fill(store, settings, draft, index, base, branch)
        reach("workspace.fill:before")
        draft.rename(workspace)
        reach("workspace.fill:after")
    except OSError as cause:
        discard(draft)
        raise StorageFailed(f"The workspace {workspace} cannot be made: {cause}.") from cause
    except (GitFailed, StorageFailed) as cause:
        free = shutil.disk_usage(draft.parent).free
        discard(draft)
        if free >= NEXT_TO_NOTHING_BYTES:
            raise
        raise StorageFailed(
            f"The disk of {workspace.parent} is full: the checkout did not fit and was taken away again. "
            f"Free some space, or choose another workspace_root, and try again ({cause})."
        ) from cause


def _fill(
    store: Store, settings: GitSettings, workspace: Path, index: Path, base: str, branch: str | None
) -> None:
    workspace.mkdir(exist_ok=True, mode=0o700)
    index.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left_over in (index, index.with_name(f"{index.name}.lock")):
        left_over.unlink(missing_ok=True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    git = Git(store, (*settings, ("checkout.workers", str(cores))), work_tree=workspace, index=index)
    git.run("read-tree", "-u", "--reset", base)
    git_dir = workspace / ".git"
    make_git_dir(store, settings, git_dir, head=base, branch=branch)
    # Git takes an entry for unchanged only when it is older than the index file, so a copy that looked
    # newer than it is would hide edits made in the same second.
    shutil.copy2(index, git_dir / "index")
    for link in read_gitlinks(git, base):
        if link.store is not None:
            own = module_index(index, link.path)
            _fill(link.store, settings, workspace / os.fsdecode(link.path), own, link.commit, None)
