"""Where an attempt begins: a revision of the caller's, or the caller's dirty checkout, as a commit.

The user's index, stash, refs and files stay as they are: a dirty base is taken through a copy of
the index, and only objects are added. A pinned base cannot be collected while it is needed.
"""

from pathlib import Path
from typing import Final

from codencer.errors import Conflict, GitFailed, InvalidInput
from codencer.workspace.git import IDENTITY, Git, GitSettings
from codencer.workspace.refs import create_refs, read_ref
from codencer.workspace.store import Store
from codencer.workspace.users import (
    Checkout,
    UsersGit,
    commit_at,
    copy_index,
    find_checkout,
    refuse_unmerged,
    scratch_index,
)

DIRTY: Final = "dirty"
_BASES: Final = "refs/codencer/bases/"


def resolve_base(store: Store, settings: GitSettings, checkout: Path, ref: str) -> str:
    """Return the commit that `ref` means in the caller's checkout.

    Args:
        settings: not needed for the user's own repository, whose configuration holds there.
        ref: any revision git knows (HEAD is that of this work tree), or `dirty`: the tracked
            changes and untracked, not ignored files of the checkout on top of its HEAD.

    Raises:
        InvalidInput: unknown, not a commit, or there is no commit yet.
        Conflict: `dirty`, and the index has unmerged files.
    """
    del settings
    if ref == DIRTY:
        return _dirty(find_checkout(store, checkout))
    if not ref or ref[0] in "-^" or not ref.isprintable():
        raise InvalidInput(f"The base {ref!r} is not the name of a commit.")
    git = UsersGit(store, work_tree=checkout)
    return commit_at(git, ref) or _looked_up(git, ref)


def pin_base(store: Store, name: str, commit: str) -> None:
    """Keep a base from being collected, under `refs/codencer/bases/<name>`; idempotent.

    Raises:
        Conflict: another commit is pinned under this name.
    """
    ref = _BASES + name
    pinned = read_ref(store, ref)  # first, because most steps begin where another one did
    if pinned is None:
        try:
            create_refs(store, {ref: commit})
        except GitFailed:
            pinned = read_ref(store, ref)
            if pinned is None:
                raise
    if pinned not in (None, commit):
        raise Conflict(f"{ref} already pins {pinned}, not {commit}; nothing was changed.")


def _looked_up(git: Git, ref: str) -> str:
    """Look again without peeling, for revisions such as `:/text`, and to tell why there is none."""
    done = git.call("rev-parse", "--verify", "--quiet", "--end-of-options", ref)
    found = done.stdout.decode("ascii", "replace").strip()
    if done.code == 0 and git.store.is_object_id(found):
        commit = commit_at(git, found)
        if commit is not None:
            return commit
        raise InvalidInput(f"The base {ref!r} is not a commit: it names another kind of object.")
    if commit_at(git, "HEAD") is None:
        raise InvalidInput(_without_commit(git.work_tree))
    raise InvalidInput(f"The base {ref!r} is unknown in {git.work_tree}; `git log {ref}` must work there.")


def _dirty(checkout: Checkout) -> str:
    store = checkout.store
    head = commit_at(checkout.git(), "HEAD")
    if head is None:
        raise InvalidInput(_without_commit(checkout.top))
    with scratch_index(store) as index:
        copy_index(checkout.index, index)
        git = checkout.git(index)
        refuse_unmerged(git)
        git.run("add", "--update", "--", ".")
        others = git.run("ls-files", "-z", "--others", "--exclude-standard").split(b"\0")[:-1]
        # A name that ends with a slash is a repository inside the checkout: somebody else's work.
        files = b"".join(path + b"\0" for path in others if not path.endswith(b"/"))
        if files:
            git.run("update-index", "-z", "--add", "--remove", "--stdin", stdin=files)
        tree = git.text("write-tree")
    own = Git(store, IDENTITY)
    if own.text("rev-parse", f"{head}^{{tree}}") == tree:
        return head
    return own.text("commit-tree", tree, "-p", head, "-m", f"Uncommitted work on top of {head[:12]}")


def _without_commit(where: Path | None) -> str:
    return f"{where} has no commit at its HEAD to begin from; make a first commit and submit again."
