"""Bring an attempt's work to the user: as a commit, as a branch, or as a patch file.

The only room that touches the user's refs, index or files, and then all or nothing: a refusal
leaves them byte for byte as they were, because everything is computed on objects first, and a
checkout is changed while its index is locked, with the branch compared once more at the end.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Final, Literal

from codencer.errors import Conflict, GitFailed, InvalidInput
from codencer.failpoints import reach
from codencer.workspace.diff import changed_files, patch
from codencer.workspace.git import Git, GitSettings, failure
from codencer.workspace.onto import advance
from codencer.workspace.store import Store
from codencer.workspace.users import Checkout, commit_at, find_checkout, listed

Form = Literal["commit", "branch", "patch"]

_AS_PERSON: Final = (("i18n.commitEncoding", "UTF-8"), ("user.useConfigOnly", "true"))
"""A commit in a person's name is never made up from the name of the machine."""


@dataclass(frozen=True, kw_only=True)
class LandRequest:
    """What to land and where to.

    `base` is a commit, `snapshot_tree` a tree. `target` is the new branch's name or the patch
    file (relative to `checkout`); none for a commit. `checkout` is the user's folder.
    """

    base: str
    snapshot_tree: str
    message: str
    form: Form
    checkout: Path
    target: str | None = None


@dataclass(frozen=True, kw_only=True)
class Landed:
    """`target` is the branch (or `HEAD` when detached) or the patch file; `files` the paths changed."""

    form: Form
    target: str
    commit: str | None = None
    files: int = 0


def land(store: Store, settings: GitSettings, request: LandRequest) -> Landed:
    """Land an attempt's work; when it refuses, nothing has changed.

    `commit` puts a commit on top of what is checked out (a branch, or a detached HEAD) and
    updates the files; changes of the user's that do not overlap stay. `branch` makes a new
    branch of a commit whose parent is the checkout's HEAD and touches no checkout. When HEAD is
    not the base any more, both hold the three-way merge of base, HEAD and snapshot. `patch`
    writes the difference between base and snapshot. The author is the user of `settings`.

    Raises:
        Conflict: nothing to land, a merge conflict, a dirty overlap (naming the files), an
            existing target, or an unfinished merge or rebase.
        InvalidInput: the target or the checkout cannot be used at all.
    """
    files = len(changed_files(store, request.base, request.snapshot_tree))
    if files == 0:
        raise Conflict("There is nothing to land: the attempt changed no file.")
    if request.form == "patch":
        return _land_patch(store, request, files)
    checkout = find_checkout(store, request.checkout)
    if request.form == "branch":
        return _land_branch(store, settings, request, checkout)
    if request.target is not None:
        raise InvalidInput("Landing as a commit takes no target; it goes onto what is checked out.")
    moved = advance(checkout, partial(_commit, store, settings, request, checkout))
    count = len(changed_files(store, moved.before, moved.commit))
    return Landed(form="commit", target=moved.branch, commit=moved.commit, files=count)


def _land_patch(store: Store, request: LandRequest, files: int) -> Landed:
    path = request.checkout / _target(request, "the file to write")
    if os.path.lexists(path):
        raise Conflict(f"{path} exists already and was left as it is; choose another file name.")
    draft = path.with_name(f".codencer-{token_hex(8)}")
    try:
        # Opened here, not by tempfile, so that the file gets the permissions of any other new file.
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        patch(store, request.base, request.snapshot_tree, draft)
        reach("land.patch:before")
        os.link(draft, path)
        reach("land.patch:after")
    except FileExistsError:
        raise Conflict(f"{path} was made by somebody else meanwhile and was left as it is.") from None
    except OSError as cause:
        raise InvalidInput(f"The patch cannot be written to {path}: {cause.strerror}.") from cause
    finally:
        with suppress(OSError):
            draft.unlink()
    return Landed(form="patch", target=str(path), files=files)


def _land_branch(store: Store, settings: GitSettings, request: LandRequest, checkout: Checkout) -> Landed:
    name = _target(request, "the name of the new branch")
    users = checkout.git()
    ref = f"refs/heads/{name}"
    if name.startswith("-") or name == "HEAD" or not users.ok("check-ref-format", ref):
        raise InvalidInput(f"{name!r} cannot be the name of a branch.")
    if users.ok("show-ref", "--verify", "--quiet", ref):
        raise Conflict(f"The branch {name} exists already and was left as it is; choose another name.")
    if f"branch {ref}\n" in users.text("worktree", "list", "--porcelain") + "\n":
        raise Conflict(f"A checkout waits for the first commit of the branch {name}; choose another name.")
    head = commit_at(users, "HEAD")
    if head is None:
        raise Conflict(f"{checkout.top} has no commit at its HEAD; make a first commit, then land again.")
    commit = _commit(store, settings, request, checkout, head)
    count = len(changed_files(store, head, commit))
    reach("land.branch:before")
    done = users.call("update-ref", "-m", "codencer: land", "--create-reflog", ref, commit, store.zero)
    reach("land.branch:after")
    if done.code != 0:
        raise Conflict(
            f"The branch {name} could not be made; no branch was changed. Git says: {failure(done)}"
        )
    return Landed(form="branch", target=name, commit=commit, files=count)


def _target(request: LandRequest, meaning: str) -> str:
    if not request.target or "\0" in request.target:
        raise InvalidInput(f"Landing as a {request.form} needs {meaning}.")
    return request.target


def _commit(store: Store, settings: GitSettings, request: LandRequest, checkout: Checkout, head: str) -> str:
    """Return a commit on top of `head` with the attempt's changes; only objects are written."""
    # The work tree is given for its .gitattributes: they say how files want to be merged.
    git = Git(store, (*settings, *_AS_PERSON), work_tree=checkout.top)
    head_tree, base_tree = git.text("rev-parse", f"{head}^{{tree}}", f"{request.base}^{{tree}}").split("\n")
    if head_tree == base_tree:
        tree = request.snapshot_tree
    else:
        tree = _merged(git, base_tree, head_tree, request.snapshot_tree)
    if tree == head_tree:
        raise Conflict("There is nothing to land: the checkout has all of these changes already.")
    done = git.call("commit-tree", tree, "-p", head, stdin=request.message.rstrip("\n").encode() + b"\n")
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
