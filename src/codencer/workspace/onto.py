"""Move a checkout of the user's one commit forward: files, index and branch, or none of them.

Everything is computed and tried out first, on a copy of the index. Then, with the index locked and all of
it compared once more, the files are written, the branch moves by comparing with the commit everything was
computed from, and the new index is put in place. The branch decides: until it has moved, whoever comes
next puts the files back; from then on, it finishes.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from codencer.errors import CodencerError, Conflict, GitFailed, Infrastructure, LandingCutOff
from codencer.failpoints import reach
from codencer.workspace.diff import Entry, raw_entries
from codencer.workspace.git import Git, failure
from codencer.workspace.index_lock import Locked, locked_index, refuse_locked
from codencer.workspace.leftovers import left_over, put_back
from codencer.workspace.refs import has_commit
from codencer.workspace.users import (
    Checkout,
    commit_at,
    copy_index,
    listed,
    refuse_unmerged,
    scratch_index,
)

_UNFINISHED: Final = (
    ("MERGE_HEAD", "merge"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase or am"),
    ("sequencer", "cherry-pick or revert"),
)
_AS_IT_WAS: Final = "Nothing was changed; commit, stash or move them, then land again."
DETACHED: Final = "HEAD"


@dataclass(frozen=True, kw_only=True)
class Move:
    """What is checked out, `ref` (`HEAD` when detached), goes from the commit `before` to `commit`."""

    ref: str
    before: str
    commit: str


def prepare(checkout: Checkout, make: Callable[[str], str]) -> Move:
    """Try out, changing nothing, to put the commit `make(head)` on top of what is checked out.

    Raises:
        Conflict: it would overwrite the user's work, or the checkout is in the middle of something.
    """
    refuse_locked(checkout)
    if not checkout.index.exists():
        raise Conflict(f"{checkout.top} has nothing checked out; run `git checkout`, then land again.")
    with scratch_index(checkout.store) as index:
        copy_index(checkout.index, index)
        git = checkout.git(index)
        ref, head = _standing(checkout, git)
        move = Move(ref=ref, before=head, commit=make(head))
        _rehearse(checkout, git, raw_entries(checkout.store, head, move.commit), move)
    return move


def carry_out(checkout: Checkout, move: Move, mark: str, *, again: bool) -> None:
    """Do what was prepared; `again`: an earlier try may have been cut off anywhere.

    Raises:
        Conflict: it does not fit any more. GitFailed: the files could not be written. Either way
            nothing has changed, or has been put back.
        LandingCutOff: not even that was possible; it is to be carried out again.
    """
    try:
        with locked_index(checkout, mark, again=again) as locked:
            if again and has_moved(checkout, move):
                _catch_up(locked, move)
            else:
                _go(locked, move, again=again)
    except (Infrastructure, OSError) as problem:
        if again and not isinstance(problem, LandingCutOff):
            raise LandingCutOff(f"A landing in {checkout.top} was cut off: {problem}") from problem
        raise


def has_moved(checkout: Checkout, move: Move) -> bool:
    """Whether the branch has the commit."""
    return checkout.git().ok("merge-base", "--is-ancestor", move.commit, move.ref)


def _catch_up(locked: Locked, move: Move) -> None:
    """Bring the index after the branch. With the lock held all the time, what was made for it is right."""
    checkout = locked.checkout
    if locked.held or (_checked_out(checkout.git()), commit_at(checkout.git(), "HEAD")) != (
        move.ref,
        move.commit,
    ):
        return  # or the user has gone on from there
    git = checkout.git(locked.copy())
    # Refused where the user has staged something else meanwhile; that stays.
    git.call("read-tree", "-i", "-m", move.before, move.commit)
    git.call("update-index", "-q", "--refresh")


def _go(locked: Locked, move: Move, *, again: bool) -> None:
    checkout = locked.checkout
    git = checkout.git(locked.copy())
    if again and not has_commit(checkout.store, move.commit):
        raise Conflict(
            f"The commit {move.commit} of a landing that was cut off is gone. The branch of {checkout.top} "
            "was not moved; `git status` there shows what is left to be put back, `git restore` does it."
        )
    entries = raw_entries(checkout.store, move.before, move.commit)
    if again:
        git.call("update-index", "-q", "--refresh")
        put_back(checkout, git, left_over(checkout, git, entries))
    if _standing(checkout, git) != (move.ref, move.before):
        raise Conflict("The branch was moved meanwhile; nothing was changed, land again.")
    _rehearse(checkout, git, entries, move)
    _perform(checkout, git, entries, move)


def _standing(checkout: Checkout, git: Git) -> tuple[str, str]:
    """What is checked out: the ref and its commit, in a checkout that is ready to be changed."""
    for name, what in _UNFINISHED:
        if (checkout.git_dir / name).exists():
            raise Conflict(
                f"{checkout.top} is in the middle of a {what}; finish or abort it, then land again."
            )
    head = commit_at(git, "HEAD")
    if head is None:
        raise Conflict(f"{checkout.top} has no commit at its HEAD; make a first commit, then land again.")
    refuse_unmerged(git)
    # Without fresh stat information an unchanged file that was touched counts as changed.
    git.call("update-index", "-q", "--refresh")
    return _checked_out(git), head


def _checked_out(git: Git) -> str:
    ref = git.call("symbolic-ref", "--quiet", "HEAD").stdout
    return os.fsdecode(ref).removesuffix("\n") or DETACHED


def _rehearse(checkout: Checkout, git: Git, entries: Iterable[Entry], move: Move) -> None:
    """Raise Conflict, naming the files, when the user has work where files would change.

    Stricter than git, which brings a file back that the user removed, and overwrites ignored ones.
    """
    blocked = _untracked_in_the_way(checkout, git, entries)
    if blocked:
        raise Conflict(f"These untracked files are in the way: {listed(blocked)}. {_AS_IT_WAS}")
    changed = git.run("diff-index", "-z", "--name-only", "--no-renames", move.before).split(b"\0")[:-1]
    overlap = {entry.path for entry in entries} & set(changed)
    if overlap:
        raise Conflict(f"These files have changes that are not committed: {listed(overlap)}. {_AS_IT_WAS}")
    done = git.call("read-tree", "-m", "-u", "--dry-run", move.before, move.commit)
    if done.code != 0:
        raise Conflict(f"The checkout has work in the way: {failure(done)} {_AS_IT_WAS}")


def _untracked_in_the_way(checkout: Checkout, git: Git, entries: Iterable[Entry]) -> set[bytes]:
    """Untracked files, ignored ones too, that stand where a path is added.

    Git itself protects only those that are not ignored; an ignored `.env` is work as well.
    """
    top = os.fsencode(checkout.top)
    taken = [e.path for e in entries if e.status == "A" and os.path.lexists(os.path.join(top, e.path))]
    if not taken:
        return set()
    tracked = set(git.run("ls-files", "-z").split(b"\0"))
    return {found for path in taken for found in _files_at(top, path) if found not in tracked}


def _files_at(top: bytes, path: bytes) -> Iterator[bytes]:
    full = os.path.join(top, path)
    if os.path.islink(full) or not os.path.isdir(full):
        yield path
        return
    for folder, folders, files in os.walk(full):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        yield from (os.path.relpath(os.path.join(folder, name), top) for name in (*files, *links))


def _perform(checkout: Checkout, git: Git, entries: Sequence[Entry], move: Move) -> None:
    try:
        reach("land.files:before")
        git.run("read-tree", "-m", "-u", move.before, move.commit)
        reach("land.files:after")
        done = git.call("update-ref", "-m", "codencer: land", "HEAD", move.commit, move.before)
        if done.code != 0:
            raise Conflict(
                f"The branch was moved meanwhile; nothing was changed, land again. ({failure(done)})"
            )
        reach("land.ref:after")
    except CodencerError as cause:
        try:
            if has_moved(checkout, move):
                raise LandingCutOff(f"The branch has moved, the index has not: {cause}") from cause
            copy_index(checkout.index, git.index or checkout.index)
            put_back(checkout, git, entries)
        except LandingCutOff:
            raise
        except (Infrastructure, OSError) as second:
            raise LandingCutOff(
                f"The files could not be updated ({cause}) and not all could be put back ({second}). "
                f"The branch is as it was: `git status` in {checkout.top} shows what is left. Land again, or "
                "start the daemon again, and it is put back."
            ) from cause
        if isinstance(cause, Conflict):
            raise
        raise GitFailed(f"The files could not be updated and were put back as they were: {cause}") from cause
