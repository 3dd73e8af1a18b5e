"""One daemon for one repository: a lock on `<state>/daemon.lock` for the life of the process."""

import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from codencer.errors import Conflict, StorageFailed
from codencer.locate import Repository, read_descriptor

LEAVING_SECONDS = 15
"""How long a daemon that has stopped listening may still hold the lock."""


@contextlib.contextmanager
def only_one(path: Path, repository: Repository) -> Iterator[None]:
    """Hold the lock while the block runs.

    Raises:
        Conflict: another daemon serves this repository.
        StorageFailed: the lock file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise StorageFailed(f"{path} cannot be made: {problem.strerror}; nothing was started") from problem
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _wait_for_the_one_before(descriptor, repository)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Hold the lock while the block runs, if no daemon has it; yields whether it is held.

    Raises:
        StorageFailed: the lock file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise StorageFailed(f"{path} cannot be made: {problem.strerror}; nothing was changed") from problem
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _wait_for_the_one_before(descriptor: int, repository: Repository) -> None:
    """A daemon that no longer listens is about to leave; one that does is in the way."""
    other = read_descriptor(repository.common_dir)
    refusal = Conflict(
        f"a daemon{f' (process {other.pid})' if other else ''} serves {repository.top} already; "
        "`codencer stop` ends it"
    )
    if other is not None and _answers(other.socket):
        raise refusal

    def expired(_number: int, _frame: object) -> None:
        raise refusal

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, LEAVING_SECONDS)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0
