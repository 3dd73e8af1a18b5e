"""The commit of a landing: the work as it fits onto what the user has by now. Adds objects only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from codencer.errors import Conflict, GitFailed, InvalidInput
from codencer.workspace.git import Git, GitSettings, failure
from codencer.workspace.store import Store
from codencer.workspace.users import listed

_AS_PERSON: Final = (("i18n.commitEncoding", "UTF-8"), ("user.useConfigOnly", "true"))
"""A commit in a person's name is never made up from the name of the machine."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What an attempt changed: from the commit `base` to the tree `tree`, and what is said of it."""

    base: str
    tree: str
    message: str


def make_commit(store: Store, settings: GitSettings, work: Work, top: Path, head: str) -> str:
    """Return a commit on top of `head` with these changes, made in the name of the user of `settings`.

    Args:
        top: the work tree, for its .gitattributes: they say how files want to be merged.

    Raises:
        Conflict: the changes do not fit, or are all there. InvalidInput: git does not know the user.
    """
    git = Git(store, (*settings, *_AS_PERSON), work_tree=top)
    head_tree, base_tree = git.text("rev-parse", f"{head}^{{tree}}", f"{work.base}^{{tree}}").split("\n")
    tree = work.tree if head_tree == base_tree else _merged(git, base_tree, head_tree, work.tree)
    if tree == head_tree:
        raise Conflict("There is nothing to land: the checkout has all of these changes already.")
    done = git.call("commit-tree", tree, "-p", head, stdin=work.message.rstrip("\n").encode() + b"\n")
    if done.code != 0:
        raise InvalidInput(
            f"The commit could not be made and nothing was changed: {failure(done)}\n"
            "If git does not know who you are, set user.name and user.email, then land again."
        )
    return done.stdout.decode("ascii").strip()


def _merged(git: Git, base: str, ours: str, theirs: str) -> str:
    """Return the tree of a three-way merge with exactly this base.

    `git merge-tree` finds the merge base itself (an option to name it came with git 2.40), so
    it is given two throw-away children of a throw-away root.
    """
    anonymous = Git(git.store, (("user.name", "merge"), ("user.email", "merge@localhost")))
    root = anonymous.text("commit-tree", base, "-m", "base")
    sides = [anonymous.text("commit-tree", tree, "-p", root, "-m", "side") for tree in (ours, theirs)]
    done = git.call("merge-tree", "--write-tree", "--name-only", "-z", "--no-messages", *sides)
    tree, *conflicted = done.stdout.rstrip(b"\0").split(b"\0")
    if done.code == 0:
        return tree.decode("ascii")
    if done.code != 1:
        raise GitFailed(f"git could not merge: {failure(done)}")
    raise Conflict(
        f"The work and the checkout changed the same places: {listed(set(conflicted))}. Nothing was changed. "
        "Land as a patch to merge by hand, or retry the step on the new state."
    )
