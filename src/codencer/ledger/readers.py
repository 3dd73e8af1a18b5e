"""Reading beside the writer: a few threads, each with a read-only connection of its own.

Every question sees one committed moment of the record. The threads are not asyncio's common
ones, so that reading never waits behind slow work such as git calls.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from codencer.ledger.connection import connect_reader, translated
from codencer.ledger.queries import Queries

T = TypeVar("T")

READERS = 4
"""Connections at most; reading is short and the interpreter runs one thread at a time anyway."""


class Readers:
    """A bounded pool; connections are opened when first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="ledger-reader")
        self._local = threading.local()
        self._opened: list[apsw.Connection] = []

    def put(self, fn: Callable[[Queries], T]) -> Future[T]:
        return self._threads.submit(self._read, fn)

    def close(self) -> None:
        """Wait for the questions under way and close every connection."""
        self._threads.shutdown(wait=True)
        while self._opened:
            self._opened.pop().close()

    def _read(self, fn: Callable[[Queries], T]) -> T:
        connection = self._connection()
        with translated(self._path):
            connection.execute("BEGIN")
        try:
            return fn(Queries(connection, self._path))
        finally:
            connection.execute("ROLLBACK")

    def _connection(self) -> apsw.Connection:
        found: apsw.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = connect_reader(self._path)
            self._opened.append(found)
        return found
