"""The ledger as the engine sees it: write, read, subscribe, close.

A write is durable when it returns; a read sees committed data only. Neither blocks the event
loop, and nothing polls.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from codencer.errors import Busy, LedgerFailed, StorageFailed
from codencer.ledger.migrate import open_for_writing
from codencer.ledger.queries import Queries
from codencer.ledger.readers import Readers
from codencer.ledger.transaction import Transaction
from codencer.ledger.writer import Writer
from codencer.model.event import Event

T = TypeVar("T")
Wake = Callable[[Sequence[Event]], None]

CAPACITY = 1024
"""Writes under way at once, about a tenth of a second of work; more wait for a place."""
PATIENCE_SECONDS = 10.0
"""How long a write waits for a place before it is refused as Busy."""

log = logging.getLogger("codencer.ledger")


class Ledger:
    """One database file: open it with `open`, end with `close`; used from one event loop."""

    def __init__(self, path: Path, writer: Callable[[Wake], Writer], capacity: int, patience: float) -> None:
        self.path = path
        self._patience = patience
        self._places = asyncio.Semaphore(capacity)
        self._subscribers: tuple[Wake, ...] = ()
        self._subscribing = threading.Lock()
        self._readers = Readers(path)
        self._writer = writer(self._publish)
        self._closed = False
        self.problem: str | None = None
        """Why the last write that had something to record could not; None once one can again."""

    @classmethod
    def open(cls, path: Path, *, capacity: int = CAPACITY, patience: float = PATIENCE_SECONDS) -> "Ledger":
        """Open the ledger at `path`, made or migrated first where needed. Blocking.

        Raises:
            IncompatibleVersion: a newer Codencer wrote it; it has not been touched.
            LedgerFailed, StorageFailed: it is damaged, not a ledger, or cannot be kept there.
        """
        path = path.absolute()
        connection = open_for_writing(path)
        return cls(path, lambda publish: Writer(connection, path, publish), capacity, patience)

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` in the writer thread; when this returns, what it appended is durable.

        Whatever `fn` raises comes out here and leaves no trace in the record. A caller that is
        cancelled meanwhile does not know whether it was written.

        Raises:
            Busy: the queue stayed full.
            LedgerFailed, StorageFailed: it could not be committed, or the ledger is closed.
        """

        def noting(tx: Transaction) -> tuple[T, bool]:
            return fn(tx), bool(tx.appended)

        await self._enter()
        try:
            result, appended = await asyncio.wrap_future(self._writer.put(noting))
        except (StorageFailed, LedgerFailed) as problem:
            self.problem = str(problem)
            raise
        finally:
            self._places.release()
        if appended:
            self.problem = None
        return result

    async def read(self, fn: Callable[[Queries], T]) -> T:
        """Run `fn` in a reading thread, on one committed moment of the record."""
        if self._closed:
            raise LedgerFailed("the ledger is closed. The daemon is stopping.")
        return await asyncio.wrap_future(self._readers.put(fn))

    def subscribe(self, wake: Wake) -> Callable[[], None]:
        """Have `wake` called with the events of each commit, in order, in the writer thread.

        It is called before the writes of that commit return, so it must be quick, and it must
        not write; the returned function ends the subscription.
        """

        def only_this(events: Sequence[Event]) -> None:
            wake(events)

        def unsubscribe() -> None:
            with self._subscribing:
                self._subscribers = tuple(each for each in self._subscribers if each is not only_this)

        with self._subscribing:
            self._subscribers += (only_this,)
        return unsubscribe

    def close(self) -> None:
        """Commit what is queued, answer it, and close every connection. Blocking; may be repeated."""
        self._closed = True
        self._readers.close()
        self._writer.stop()

    async def _enter(self) -> None:
        if self._closed:
            raise LedgerFailed("the ledger is closed; nothing was written. The daemon is stopping.")
        try:
            async with asyncio.timeout(self._patience if self._places.locked() else None):
                await self._places.acquire()
        except TimeoutError as problem:
            raise Busy(
                f"the ledger has had more to write than it can for {self._patience:g} seconds; nothing was "
                "written, try again"
            ) from problem

    def _publish(self, events: Sequence[Event]) -> None:
        for wake in self._subscribers:
            try:
                wake(events)
            except Exception:
                log.exception(
                    "A subscriber of the ledger failed. ledger_subscriber_failed seq=%d", events[-1].seq
                )
