"""What a function may do in the writer thread: read, and append events.

An event and what it does to the derived tables are one: when one of them fails the function
can write nothing more, even if it swallows the error. The end of the chain is read from the
database, so rolling back to a savepoint restores it with everything else.
"""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import apsw

from codencer.errors import LedgerFailed, NotFound, StorageFailed
from codencer.ledger.chain import body_text, event_hash
from codencer.ledger.connection import translated
from codencer.ledger.projection import Fact, project
from codencer.ledger.queries import Binding, Queries, Record
from codencer.ledger.statements import QUERIES
from codencer.model.event import EVENT_VERSION, Event, EventKind


class Transaction(Queries):
    """One function's share of a commit; unusable once that function has returned."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        super().__init__(connection, path)
        self._open = True
        self._failure: BaseException | None = None
        self.appended: list[Event] = []

    def append(
        self,
        kind: EventKind,
        body: Mapping[str, object],
        *,
        run_id: str | None = None,
        step_id: str | None = None,
        attempt_id: str | None = None,
    ) -> Event:
        """Append one event and derive from it; ids of its step and run are filled in if left out.

        Args:
            body: objects of the model or JSON values, as documented in `model.event`.

        Raises:
            NotFound: it is about a run, step or attempt that is not in the record.
            Conflict: what it creates exists already.
            InvalidInput: the body cannot be recorded.
            LedgerFailed, StorageFailed: the database refused it.
        """
        self._check()
        try:
            with translated(self._path):
                return self._append(kind, body, (run_id, step_id, attempt_id))
        except BaseException as problem:
            self._failure = problem
            raise

    def end(self) -> None:
        """Make it unusable: its function has returned or raised."""
        self._open = False

    def finish(self) -> None:
        """End it; raises what made an append fail, if one did."""
        self.end()
        if self._failure:
            raise self._failure

    def _append(
        self,
        kind: EventKind,
        body: Mapping[str, object],
        given: tuple[str | None, str | None, str | None],
    ) -> Event:
        run_id, step_id, attempt_id = ids = self._complete(*given)
        last, prev_hash = self.head()
        text, seq, at = body_text(body), last + 1, time.time_ns() // 1000
        digest = event_hash(
            seq=seq, v=EVENT_VERSION, at=at, ids=ids, kind=kind.value, body=text, prev_hash=prev_hash
        )
        fact = Fact(
            seq=seq,
            v=EVENT_VERSION,
            at=at,
            run_id=run_id,
            step_id=step_id,
            attempt_id=attempt_id,
            kind=kind.value,
            body=text,
        )
        self._connection.execute(
            QUERIES["append_event"], {**vars(fact), "prev_hash": prev_hash, "hash": digest}
        )
        self._connection.execute(QUERIES["move_head"], {"seq": seq, "hash": digest})
        project(self._connection, fact)
        event = Event(
            **{**vars(fact), "kind": kind, "body": json.loads(text)}, prev_hash=prev_hash, hash=digest
        )
        self.appended.append(event)
        return event

    def _complete(
        self, run_id: str | None, step_id: str | None, attempt_id: str | None
    ) -> tuple[str | None, str | None, str | None]:
        if attempt_id is not None and step_id is None:
            found = self._parents("ids_of_attempt", attempt_id, "attempt")
            run_id, step_id = run_id or found[0], found[1]
        elif step_id is not None and run_id is None:
            run_id = self._parents("ids_of_step", step_id, "step")[0]
        return run_id, step_id, attempt_id

    def _parents(self, query: str, identifier: str, what: str) -> tuple[str, str]:
        row = self._connection.execute(QUERIES[query], {"id": identifier}).fetchone()
        if row is None:
            raise NotFound(f"there is no {what} {identifier} in the record; nothing was written")
        return str(row[0]), str(row[1])

    def _check(self) -> None:
        if not self._open:
            raise LedgerFailed("a transaction was used after its function had returned; nothing was written")
        if self._failure:
            raise self._failure
        if not self._connection.in_transaction:
            # SQLite undid the transaction; what is written now would be committed by itself.
            raise StorageFailed("the disk failed in the middle of a write; nothing of it was recorded")

    def _rows(self, name: str, /, **bindings: Binding) -> Iterator[Record]:
        if not self._open:
            raise LedgerFailed("a transaction was used after its function had returned")
        return super()._rows(name, **bindings)
