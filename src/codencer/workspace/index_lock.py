"""Locking the index of a checkout of the user's, in a way that tells whose lock it is.

Whoever finds `index.lock` leaves the index alone, git as well as we. Ours appears in one step with a
line in it that names the landing; the new index is made beside it and renamed into place. What a
killed daemon left is taken up by the landing it belongs to, and by nobody else.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_IMODE

from codencer.errors import Conflict, LandingCutOff, StorageFailed
from codencer.failpoints import reach
from codencer.workspace.users import Checkout, copy_index

_OURS = "codencer landing "


@dataclass(frozen=True, kw_only=True)
class Locked:
    """`index` becomes the user's when all went well, if it is there; `held`: the lock was ours before."""

    checkout: Checkout
    index: Path
    held: bool

    def copy(self) -> Path:
        """Make it a copy of the user's index, as that is now."""
        copy_index(self.checkout.index, self.index)
        return self.index


@contextmanager
def locked_index(checkout: Checkout, mark: str, *, again: bool) -> Iterator[Locked]:
    """Hold the index of a checkout; left by an exception, it stays what it was.

    Raises:
        Conflict: somebody else has it, or there is none. StorageFailed: it cannot be locked.
        LandingCutOff: it cannot be had `again`, or the new one could not be put in place and the lock stays.
    """
    index = checkout.git_dir / f"codencer-landing-{mark}"
    lock = _lock(checkout)
    try:
        held = _take(checkout, lock, mark)
    except Conflict as taken:
        if not again:
            raise
        raise LandingCutOff(f"A landing in {checkout.top} was cut off. {taken}") from None
    try:
        if not checkout.index.exists():
            raise Conflict(f"{checkout.top} has nothing checked out; run `git checkout`, then land again.")
        # A git of ours that was killed leaves its own lock; nobody else uses this index.
        index.with_name(f"{index.name}.lock").unlink(missing_ok=True)
        yield Locked(checkout=checkout, index=index, held=held)
    except BaseException:
        index.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
        raise
    try:
        _put_in_place(checkout, index)
        lock.unlink(missing_ok=True)
        # A power failure must not bring the lock back once it is recorded that this is over.
        sync(checkout.git_dir)
    except OSError as cause:
        raise LandingCutOff(
            f"The new index of {checkout.top} could not be put in place: {cause.strerror}. Until it is, "
            f"{lock} keeps git from it; land again, or start the daemon again."
        ) from cause
    reach("land.unlock:after")


def refuse_locked(checkout: Checkout) -> None:
    """Raise Conflict while somebody has the index."""
    lock = _lock(checkout)
    if lock.exists():
        raise Conflict(_taken(checkout, lock))


def is_ours(lock: Path) -> bool:
    """Whether an `index.lock` is that of a landing: under way, or cut off and finished at the next start."""
    try:
        with lock.open("rb") as file:
            return file.read(len(_OURS)) == _OURS.encode()
    except OSError:
        return False


def _lock(checkout: Checkout) -> Path:
    return checkout.git_dir / "index.lock"


def _taken(checkout: Checkout, lock: Path) -> str:
    return (
        f"Another git command is at work in {checkout.top}; nothing was changed. "
        f"If there is none, remove {lock} and land again."
    )


def _take(checkout: Checkout, lock: Path, mark: str) -> bool:
    """Take the lock; True when it was taken already, for this very landing."""
    line = f"{_OURS}{mark}\n".encode()
    draft = checkout.git_dir / f"codencer-landing-{mark}.draft"
    try:
        draft.write_bytes(line)
        sync(draft)
        reach("land.lock:before")
        os.link(draft, lock)
    except FileExistsError:
        if _content(lock) != line:
            raise Conflict(_taken(checkout, lock)) from None
        return True
    except OSError as cause:
        raise StorageFailed(f"{lock} cannot be made: {cause.strerror}; nothing was changed.") from cause
    finally:
        with suppress(OSError):
            draft.unlink()
    reach("land.lock:after")
    return False


def _content(lock: Path) -> bytes:
    try:
        with lock.open("rb") as file:
            return file.read(256)
    except FileNotFoundError:
        return b""


def _put_in_place(checkout: Checkout, index: Path) -> None:
    if not index.exists():
        return
    index.chmod(S_IMODE(checkout.index.stat().st_mode))
    sync(index)
    reach("land.index:before")
    index.replace(checkout.index)
    reach("land.index:after")


def sync(path: Path) -> None:
    """Make a file, or what a folder lists, outlast a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
