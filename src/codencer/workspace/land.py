"""Bring an attempt's work to the user: as a commit, as a branch, or as a patch file.

The only room that touches the user's refs, index or files, and then all or nothing. `plan` computes
everything and changes nothing; `carry_out` does it, in steps that may be cut off anywhere and are carried
out again from the same plan.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Final

from codencer.errors import Conflict, GitFailed, InvalidInput
from codencer.failpoints import reach
from codencer.model.landing import Landed, LandForm, Landing
from codencer.workspace import onto
from codencer.workspace.diff import changed_files
from codencer.workspace.git import Git, GitSettings, failure
from codencer.workspace.merge import Work, make_commit
from codencer.workspace.patch_file import is_patch, write_patch
from codencer.workspace.store import Store
from codencer.workspace.users import Checkout, commit_at, find_checkout

__all__ = ["LandRequest", "Work", "carry_out", "landed_before", "plan"]

_BRANCHES: Final = "refs/heads/"


@dataclass(frozen=True, kw_only=True)
class LandRequest:
    """What to land and where to.

    `target` is the new branch's name or the patch file (relative to `checkout`); none for a commit.
    `checkout` is the user's folder.
    """

    work: Work
    form: LandForm
    checkout: Path
    target: str | None = None


def plan(store: Store, settings: GitSettings, request: LandRequest) -> Landing:
    """Find out whether the work fits, and what exactly is to be done; only objects are added.

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
    files = len(changed_files(store, request.work.base, request.work.tree))
    if files == 0:
        raise Conflict("There is nothing to land: the attempt changed no file.")
    checkout = find_checkout(store, request.checkout)
    if request.form is LandForm.PATCH:
        path = request.checkout / _target(request, "the file to write")
        if os.path.lexists(path):
            raise Conflict(f"{path} exists already and was left as it is; choose another file name.")
        return _landing(request, checkout, str(path), files)
    make = partial(make_commit, store, settings, request.work, checkout.top)
    if request.form is LandForm.BRANCH:
        ref, before, commit = _plan_branch(request, checkout, make)
    else:
        if request.target is not None:
            raise InvalidInput("Landing as a commit takes no target; it goes onto what is checked out.")
        move = onto.prepare(checkout, make)
        ref, before, commit = move.ref, move.before, move.commit
    landing = _landing(request, checkout, ref.removeprefix(_BRANCHES), _files_of(store, commit))
    return replace(landing, ref=ref, before=before, commit=commit)


def carry_out(store: Store, landing: Landing, *, again: bool = False) -> None:
    """Do what was planned; `again`: an earlier try may have been cut off anywhere, or even be done.

    Raises:
        Conflict, InvalidInput, GitFailed, StorageFailed: it was not possible, and nothing has changed.
        LandingCutOff: it is neither done nor undone, and to be carried out again.
    """
    if landing.form is LandForm.PATCH:
        write_patch(store, landing, again=again)
        return
    checkout = _checkout_of(store, landing) if again else find_checkout(store, Path(landing.checkout))
    commit = landing.commit or ""
    if landing.form is LandForm.BRANCH:
        _make_branch(store, landing, checkout, again=again)
    elif checkout is not None:
        move = onto.Move(ref=landing.ref, before=landing.before or "", commit=commit)
        onto.carry_out(checkout, move, landing.mark, again=again)
    elif not _contains(Git(store, git_dir=store.common_dir / landing.git_dir), landing.ref, commit):
        raise Conflict(f"The checkout {landing.checkout}, where a landing was cut off, is gone.")


def landed_before(store: Store, request: LandRequest, earlier: Iterable[Landed]) -> Landed | None:
    """Which of the earlier landings of this very work is still where the request wants it."""
    checkout = find_checkout(store, request.checkout)
    users = checkout.git()
    for landed in earlier:
        if landed.form is not request.form:
            continue
        if landed.form is LandForm.PATCH:
            path = request.checkout / (request.target or "")
            if str(path) == landed.target and is_patch(store, path, request.work.base, request.work.tree):
                files = len(changed_files(store, request.work.base, request.work.tree))
                return replace(landed, files=files, already=True)
            continue
        is_branch = landed.form is LandForm.BRANCH
        ref = f"{_BRANCHES}{landed.target}" if is_branch else "HEAD"
        meant = request.target == landed.target if is_branch else request.target is None
        if meant and landed.commit and _contains(users, ref, landed.commit):
            return replace(landed, files=_files_of(store, landed.commit), already=True)
    return None


def _landing(request: LandRequest, checkout: Checkout, target: str, files: int) -> Landing:
    return Landing(
        form=request.form,
        target=target,
        checkout=str(checkout.top),
        git_dir=os.path.relpath(checkout.git_dir.resolve(), checkout.store.common_dir),
        mark=token_hex(8),
        base=request.work.base,
        tree=request.work.tree,
        files=files,
    )


def _checkout_of(store: Store, landing: Landing) -> Checkout | None:
    """The checkout a landing was cut off in, also when the repository was moved since; None: it is gone."""
    wanted = (store.common_dir / landing.git_dir).resolve()
    for top in (Path(landing.checkout), store.common_dir.parent):
        with suppress(GitFailed, InvalidInput):
            found = find_checkout(store, top)
            if found.git_dir.resolve() == wanted:
                return found
    return None


def _contains(git: Git, ref: str, commit: str) -> bool:
    return git.ok("merge-base", "--is-ancestor", commit, ref)


def _files_of(store: Store, commit: str) -> int:
    return len(changed_files(store, f"{commit}^", commit))


def _plan_branch(
    request: LandRequest, checkout: Checkout, make: Callable[[str], str]
) -> tuple[str, None, str]:
    name = _target(request, "the name of the new branch")
    users = checkout.git()
    ref = f"{_BRANCHES}{name}"
    if name.startswith("-") or name == "HEAD" or not users.ok("check-ref-format", ref):
        raise InvalidInput(f"{name!r} cannot be the name of a branch.")
    if users.ok("show-ref", "--verify", "--quiet", ref):
        raise Conflict(f"The branch {name} exists already and was left as it is; choose another name.")
    if f"branch {ref}\n" in users.text("worktree", "list", "--porcelain") + "\n":
        raise Conflict(f"A checkout waits for the first commit of the branch {name}; choose another name.")
    head = commit_at(users, "HEAD")
    if head is None:
        raise Conflict(f"{checkout.top} has no commit at its HEAD; make a first commit, then land again.")
    return ref, None, make(head)


def _make_branch(store: Store, landing: Landing, checkout: Checkout | None, *, again: bool) -> None:
    users = checkout.git() if checkout is not None else Git(store, git_dir=store.common_dir)
    commit = landing.commit or ""
    if again and _contains(users, landing.ref, commit):
        return
    reach("land.branch:before")
    words = ("-m", "codencer: land", "--create-reflog", landing.ref, commit, store.zero)
    done = users.call("update-ref", *words)
    reach("land.branch:after")
    if done.code != 0:
        raise Conflict(
            f"The branch {landing.target} could not be made; no branch was changed. Git says: {failure(done)}"
        )


def _target(request: LandRequest, meaning: str) -> str:
    if not request.target or "\0" in request.target:
        raise InvalidInput(f"Landing as a {request.form} needs {meaning}.")
    return request.target
