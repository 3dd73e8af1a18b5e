"""Move a checkout of the user's one commit forward: files, index and branch, or none of them.

The index is locked as git itself locks it (`index.lock`, renamed into place at the end), so no
other git command changes it meanwhile. The branch moves by comparing with the commit everything
was computed from. Files are only written after a dry run, and put back when a later part fails.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from codencer.errors import CodencerError, Conflict, GitFailed
from codencer.failpoints import reach
from codencer.workspace.diff import Entry, raw_entries
from codencer.workspace.git import Git, failure
from codencer.workspace.users import Checkout, commit_at, copy_index, listed, refuse_unmerged

_UNFINISHED: Final = (
    ("MERGE_HEAD", "merge"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase or am"),
    ("sequencer", "cherry-pick or revert"),
)
_AS_IT_WAS: Final = "Nothing was changed; commit, stash or move them, then land again."


@dataclass(frozen=True, kw_only=True)
class Moved:
    """`branch` (`HEAD` when detached) went from the commit `before` to `commit`."""

    branch: str
    before: str
    commit: str


def advance(checkout: Checkout, make: Callable[[str], str]) -> Moved:
    """Put the commit `make(head)`, a child of `head`, on top of what is checked out.

    Raises:
        Conflict: it would overwrite the user's work, or the checkout is in the middle of
            something; nothing has changed.
    """
    _refuse_unfinished(checkout)
    with _locked_index(checkout) as index:
        git = checkout.git(index)
        head = commit_at(git, "HEAD")
        if head is None:
            raise Conflict(f"{checkout.top} has no commit at its HEAD; make a first commit, then land again.")
        refuse_unmerged(git)
        # Without fresh stat information an unchanged file that was touched counts as changed.
        git.call("update-index", "-q", "--refresh")
        branch = (
            git.call("symbolic-ref", "--quiet", "--short", "HEAD").stdout.decode("utf-8", "replace").strip()
        )
        commit = make(head)
        entries = raw_entries(checkout.store, head, commit)
        _rehearse(checkout, git, entries, (head, commit))
        _perform(checkout, git, entries, (head, commit))
    return Moved(branch=branch or "HEAD", before=head, commit=commit)


@contextmanager
def _locked_index(checkout: Checkout) -> Iterator[Path]:
    """Lock the index as git does; the lock file is a copy that becomes the index when all went well."""
    lock = checkout.index.with_name("index.lock")
    try:
        os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        raise Conflict(
            f"Another git command is at work in {checkout.top}; nothing was changed. "
            f"If there is none, remove {lock} and land again."
        ) from None
    except OSError as cause:
        raise Conflict(f"{lock} cannot be made: {cause.strerror}; nothing was changed.") from cause
    try:
        if not checkout.index.exists():
            raise Conflict(f"{checkout.top} has nothing checked out; run `git checkout`, then land again.")
        copy_index(checkout.index, lock)
        yield lock
    except BaseException:
        lock.unlink(missing_ok=True)
        raise
    reach("land.index:before")
    lock.replace(checkout.index)
    reach("land.index:after")


def _refuse_unfinished(checkout: Checkout) -> None:
    for name, what in _UNFINISHED:
        if (checkout.git_dir / name).exists():
            raise Conflict(
                f"{checkout.top} is in the middle of a {what}; finish or abort it, then land again."
            )


def _rehearse(checkout: Checkout, git: Git, entries: Iterable[Entry], ends: tuple[str, str]) -> None:
    """Raise Conflict, naming the files, when the user has work where files would change.

    Stricter than git, which brings a file back that the user removed, and overwrites ignored ones.
    """
    blocked = _untracked_in_the_way(checkout, git, entries)
    if blocked:
        raise Conflict(f"These untracked files are in the way: {listed(blocked)}. {_AS_IT_WAS}")
    changed = git.run("diff-index", "-z", "--name-only", "--no-renames", ends[0]).split(b"\0")[:-1]
    overlap = {entry.path for entry in entries} & set(changed)
    if overlap:
        raise Conflict(f"These files have changes that are not committed: {listed(overlap)}. {_AS_IT_WAS}")
    done = git.call("read-tree", "-m", "-u", "--dry-run", *ends)
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


def _perform(checkout: Checkout, git: Git, entries: Sequence[Entry], ends: tuple[str, str]) -> None:
    head, commit = ends
    try:
        reach("land.files:before")
        git.run("read-tree", "-m", "-u", head, commit)
        reach("land.files:after")
        done = git.call("update-ref", "-m", "codencer: land", "HEAD", commit, head)
        if done.code != 0:
            raise Conflict(
                f"The branch was moved meanwhile; nothing was changed, land again. ({failure(done)})"
            )
    except CodencerError as cause:
        try:
            _put_back(checkout, git, entries)
        except GitFailed as second:
            raise GitFailed(
                f"The files could not be updated ({cause}) and not all could be put back ({second}). "
                f"The branch is as it was: `git status` in {checkout.top} shows what is left, "
                "and `git restore` brings it back."
            ) from cause
        if isinstance(cause, Conflict):
            raise
        raise GitFailed(f"The files could not be updated and were put back as they were: {cause}") from cause


def _put_back(checkout: Checkout, git: Git, entries: Iterable[Entry]) -> None:
    """Undo what a failed update wrote; none of these paths held work of the user's."""
    assert git.index is not None
    copy_index(checkout.index, git.index)
    for entry in entries:
        if entry.status == "A":
            _remove(os.fsencode(checkout.top), entry.path)
    paths = b"".join(entry.path + b"\0" for entry in entries if entry.status != "A")
    git.run("checkout-index", "--force", "-z", "--stdin", stdin=paths)


def _remove(top: bytes, path: bytes) -> None:
    full = os.path.join(top, path)
    with suppress(FileNotFoundError, NotADirectoryError):
        if os.path.isdir(full) and not os.path.islink(full):
            os.rmdir(full)
        else:
            os.unlink(full)
    # Folders that were made for it go as well; the first one that is not empty ends this.
    with suppress(OSError):
        while path := os.path.dirname(path):
            os.rmdir(os.path.join(top, path))
