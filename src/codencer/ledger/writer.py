"""The one thread that writes: queued functions run in shared transactions, one fsync a group.

All functions waiting when a transaction starts, and those that arrive while it runs up to a
bound, are committed together, each inside a savepoint of its own. Nobody is answered before
the commit, and when it fails everybody in the group fails.

A commit that failed may stand in the write-ahead log whole: SQLite writes it there before it asks the
disk to keep it, and would read it after a crash. So something harmless is written over it at once. While
not even that can be written, the answer is that nobody knows, and nothing else is accepted.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import apsw

from codencer.errors import CodencerError, LedgerFailed, StorageFailed
from codencer.failpoints import reach
from codencer.ledger.connection import translated
from codencer.ledger.statements import QUERIES
from codencer.ledger.transaction import Transaction
from codencer.model.event import Event

T = TypeVar("T")

MOST_FUNCTIONS = 256
"""In one group, so that the first of them is not kept waiting by an endless stream."""
LONGEST_GROUP_SECONDS = 0.005
"""After this no function joins that came after the transaction's start; 25 commits' worth of fsync."""

log = logging.getLogger("codencer.ledger")


@dataclass(eq=False)
class _Job:
    """A function and its answer, which is held back until the commit."""

    fn: Callable[[Transaction], Any]
    future: Future[Any] = field(default_factory=Future)
    result: Any = None
    problem: BaseException | None = None

    def answer(self) -> None:
        if self.problem is None:
            self.future.set_result(self.result)
        elif isinstance(self.problem, StopIteration):
            # asyncio refuses to carry one, and whoever waits would wait for ever.
            self.future.set_exception(RuntimeError("a ledger function raised StopIteration"))
        else:
            self.future.set_exception(self.problem)


class Writer:
    """Owns the writing connection from the moment it is made until `stop` returns."""

    def __init__(
        self, connection: apsw.Connection, path: Path, publish: Callable[[Sequence[Event]], None]
    ) -> None:
        self._connection = connection
        self._path = path
        self._publish = publish
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._door = threading.Lock()
        self._closed = False
        self._stopping = False
        self._in_doubt = False
        self._thread = threading.Thread(target=self._serve, name="ledger-writer", daemon=True)
        self._thread.start()

    def put(self, fn: Callable[[Transaction], T]) -> Future[T]:
        """Queue `fn`; the future has its result once that is durable.

        Raises:
            LedgerFailed: the ledger is closed.
        """
        job = _Job(fn)
        with self._door:
            if self._closed:
                raise LedgerFailed("the ledger is closed; nothing was written. The daemon is stopping.")
            self._jobs.put(job)
        return job.future

    def stop(self) -> None:
        """Run what is queued, close the connection, and return when both are done."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _serve(self) -> None:
        try:
            while not self._stopping and (job := self._jobs.get()) is not None:
                self._group(job)
        except BaseException:
            log.exception("The ledger's writer thread died. ledger_writer_died path=%s", self._path)
            raise
        finally:
            with self._door:
                self._closed = True
            self._refuse_the_rest()
            self._connection.close()

    def _refuse_the_rest(self) -> None:
        while not self._jobs.empty():
            if (job := self._jobs.get()) is not None and job.future.set_running_or_notify_cancel():
                job.future.set_exception(LedgerFailed("the ledger is closed; nothing was written."))

    def _group(self, first: _Job) -> None:
        taken: list[_Job] = []
        events: list[Event] = []
        arriving = self._arriving(first, taken)
        begun = committing = False
        try:
            with translated(self._path):
                self._leave_doubt()
                self._connection.execute("BEGIN IMMEDIATE")
                begun = True
                for job in arriving:
                    events += self._run(job)
                for event in events:
                    reach(f"{event.kind}:before")
                committing = True
                self._connection.execute("COMMIT")
                committing = False
                for event in events:
                    reach(f"{event.kind}:after")
        except BaseException as problem:  # noqa: BLE001  # it is the answer to everybody in the group
            events = []
            if not begun:
                # Everybody who waits would meet the same lock, each for its whole time-out.
                deque(arriving, maxlen=0)
            self._roll_back()
            unknown = committing and isinstance(problem, StorageFailed)
            self._in_doubt |= unknown
            self._refuse(taken, self._in_words(problem) if unknown else problem)
        try:
            if events:
                self._publish(events)
        finally:
            for job in taken:
                job.answer()

    def _arriving(self, first: _Job, taken: list[_Job]) -> Iterator[_Job]:
        """Yield all that waits, and what still arrives before the deadline; note it in `taken`."""
        deadline = time.monotonic() + LONGEST_GROUP_SECONDS
        waiting = 1 + self._jobs.qsize()
        job: _Job | None = first
        while job is not None:
            if job.future.set_running_or_notify_cancel():
                taken.append(job)
                yield job
            waiting -= 1
            late = waiting <= 0 and time.monotonic() >= deadline
            if late or len(taken) >= MOST_FUNCTIONS:
                return
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
        self._stopping = True

    def _run(self, job: _Job) -> list[Event]:
        transaction = Transaction(self._connection, self._path)
        self._connection.execute("SAVEPOINT one")
        try:
            job.result = job.fn(transaction)
            transaction.finish()
        except BaseException as problem:
            job.problem = problem
            transaction.end()
            if not self._connection.in_transaction:
                raise  # SQLite has undone the whole group: a full disk, an I/O error.
            self._connection.execute("ROLLBACK TO one")
            transaction.appended.clear()
        self._connection.execute("RELEASE one")
        return transaction.appended

    def _leave_doubt(self) -> None:
        """Write over a commit that failed, if there is one; raises while the disk takes nothing."""
        if not self._in_doubt:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            # There and back: a page that one update leaves as it was would not be written.
            for by in (1, -1):
                self._connection.execute(QUERIES["shift_head"], {"by": by})
            self._connection.execute("COMMIT")
        except apsw.Error:
            self._roll_back()
            raise
        self._in_doubt = False

    def _in_words(self, problem: BaseException) -> BaseException:
        """What a failed commit comes to: nothing was recorded, or nobody knows yet."""
        try:
            with translated(self._path):
                self._leave_doubt()
        except CodencerError as again:
            return StorageFailed(
                f"{again} The disk failed while this was being recorded: whether it was is known once the "
                "disk works again. Look before you repeat it, or repeat it with the same idempotency key."
            )
        return problem

    def _roll_back(self) -> None:
        """Undo what is not committed."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error:
            log.exception(
                "A failed group could not be rolled back. ledger_rollback_failed path=%s", self._path
            )

    def _refuse(self, jobs: list[_Job], problem: BaseException) -> None:
        """Make every function of a group fail with an error of its own."""
        for job in jobs:
            if isinstance(problem, CodencerError):
                job.problem = type(problem)(str(problem))
            else:
                job.problem = LedgerFailed(
                    f"the group commit failed, nothing of it was recorded: {problem!r}"
                )
            job.problem.__cause__ = problem
