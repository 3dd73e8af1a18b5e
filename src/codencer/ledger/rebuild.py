"""Deriving every table anew when they differ from the events. The chain itself is never touched.

Only where the chain holds from its first event to its head; a copy of the ledger is made first, and
all tables change in one transaction or none does. Nobody else may write meanwhile.
"""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from codencer.errors import CodencerError, Conflict, LedgerFailed
from codencer.ledger.audit import TABLES, verify
from codencer.ledger.connection import connect_writer, translated
from codencer.ledger.migrate import back_up
from codencer.ledger.projection import Fact, project
from codencer.ledger.statements import QUERIES

_OF_A_FACT = ("seq", "v", "at", "run_id", "step_id", "attempt_id", "kind", "body")


def rebuild(path: Path) -> Path:
    """Replay the events into emptied tables; return where the copy of the ledger from before is.

    Raises:
        Conflict: there is nothing to rebuild, or the chain itself does not hold.
        LedgerFailed, StorageFailed: it could not be done; the ledger is as it was.
    """
    report = verify(path)
    if report.ok:
        raise Conflict(f"the tables of the ledger {path} are what its events say; nothing was changed")
    if report.fault_seq is not None:
        raise Conflict(
            f"the chain of the ledger {path} does not hold ({report.fault}): no rebuilding can mend that. "
            "Nothing was changed; keep the file, and put a backup of it in its place"
        )
    with closing(connect_writer(path)) as connection:
        _refuse_damaged(connection, path)
        copy = back_up(connection, path, f"before-rebuild-{time.time_ns() // 1_000_000_000}")
        _replay(connection, path, copy)
    after = verify(path)
    if not after.ok:
        raise LedgerFailed(
            f"the ledger {path} was rebuilt and still does not hold: {after.fault}. As it was: {copy}"
        )
    return copy


def _refuse_damaged(connection: apsw.Connection, path: Path) -> None:
    """A file whose pages are damaged is not written to."""
    with translated(path):
        found = connection.execute("PRAGMA integrity_check(1)").get
    if found != "ok":
        raise LedgerFailed(
            f"the file of the ledger {path} is damaged ({found}). Nothing was changed; keep it, and put a "
            "backup of it (*.bak beside it, if there is one) in its place"
        )


def _replay(connection: apsw.Connection, path: Path, copy: Path) -> None:
    try:
        with translated(path):
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("BEGIN IMMEDIATE")
            for table in reversed(TABLES):
                connection.execute(QUERIES[f"empty_{table}"])
            for row in connection.execute(QUERIES["facts"]).fetchall():
                fact: dict[str, Any] = dict(zip(_OF_A_FACT, row, strict=True))
                project(connection, Fact(**fact))
            connection.execute("COMMIT")
    except CodencerError as problem:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise type(problem)(
            f"the tables of the ledger {path} could not be rebuilt; it is as it was, with a copy at {copy}: "
            f"{problem}"
        ) from problem
