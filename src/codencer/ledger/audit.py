"""Checking a ledger from its content alone: the chain first, then what was derived from it.

No stored hash is trusted: each is computed again from the row it stands in and the hash
computed before. The events are replayed into an empty database, and every row of every
derived table must come out the same.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import apsw

from codencer.errors import CodencerError, IncompatibleVersion, NotFound
from codencer.ledger.chain import GENESIS_HASH, body_text, event_hash
from codencer.ledger.connection import connect_memory, connect_offline, translated
from codencer.ledger.migrate import newer, schema_version, shipped
from codencer.ledger.projection import Fact, project
from codencer.ledger.statements import QUERIES

TABLES = ("runs", "steps", "submissions", "attempts", "artifacts", "validations", "gates", "questions")
"""The derived tables."""


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """`seq` and `hash` are those of the last event that is right.

    `fault` describes the first thing that is wrong, None if nothing is; `fault_seq` is its
    event, None when the chain holds and a derived table differs.
    """

    events: int
    hash: str
    fault: str | None = None
    fault_seq: int | None = None

    @property
    def ok(self) -> bool:
        return self.fault is None


class _Fault(Exception):
    def __init__(self, fault: str, seq: int | None = None) -> None:
        super().__init__(fault)
        self.fault, self.seq = fault, seq


def verify(path: Path) -> VerifyReport:
    """Check the ledger at `path`, which may be in use meanwhile, and change nothing.

    Raises:
        NotFound: there is no file.
        IncompatibleVersion: another version of Codencer wrote it.
        LedgerFailed, StorageFailed: it cannot be read as a ledger at all.
    """
    if not path.exists():
        raise NotFound(f"there is no ledger at {path}")
    with closing(connect_offline(path)) as connection, closing(connect_memory()) as replayed:
        version, current = schema_version(connection, path), shipped()[-1].number
        if version > current:
            raise newer(path, version, current)
        if version < current:
            raise IncompatibleVersion(
                f"the ledger at {path} has the older schema {version}; open it once with this version"
            )
        with translated(path):
            connection.execute("BEGIN")
            for migration in shipped():
                for statement in migration.statements:
                    replayed.execute(statement)
        return _check(connection, replayed)


def _check(connection: apsw.Connection, replayed: apsw.Connection) -> VerifyReport:
    seq, digest = 0, GENESIS_HASH
    try:
        for row in _events(connection):
            digest = _check_event(row, seq, digest)
            seq += 1
            _replay(replayed, row)
        head = _read(connection, "head")
        if head != [(seq, digest)]:
            raise _Fault(f"the chain ends at event {seq}, the record says it ends elsewhere", seq + 1)
        for table in TABLES:
            _compare(table, _rows(connection, table), _rows(replayed, table))
        if _integrity(connection) != "ok":
            raise _Fault(f"SQLite finds the file damaged: {_integrity(connection)}")
    except _Fault as found:
        return VerifyReport(events=seq, hash=digest, fault=found.fault, fault_seq=found.seq)
    return VerifyReport(events=seq, hash=digest)


def _events(connection: apsw.Connection) -> Iterator[dict[str, Any]]:
    """Yield the rows of the chain; a row that cannot be read is a fault in itself."""
    last = 0
    try:
        cursor = connection.execute(QUERIES["all_events"])
        for row in cursor:
            names = [column[0] for column in cursor.get_description()]
            yield dict(zip(names, row, strict=True))
            last += 1
    except (apsw.Error, UnicodeError) as problem:
        raise _Fault(f"event {last + 1} cannot be read: {problem}", last + 1) from problem


def _check_event(row: Mapping[str, Any], last: int, prev_hash: str) -> str:
    """Return the hash of an event as computed from its content."""
    seq = last + 1
    if row["seq"] != seq:
        raise _Fault(f"event {seq} is missing; the next one found is {row['seq']}", seq)
    try:
        if body_text(json.loads(row["body"])) != row["body"]:
            raise _Fault(f"the body of event {seq} is not in canonical form", seq)
        ids = (row["run_id"], row["step_id"], row["attempt_id"])
        digest = event_hash(
            seq=seq,
            v=row["v"],
            at=row["at"],
            ids=ids,
            kind=row["kind"],
            body=row["body"],
            prev_hash=prev_hash,
        )
    except (CodencerError, ValueError, TypeError, RecursionError) as problem:
        raise _Fault(f"event {seq} is not an event: {problem}", seq) from problem
    if row["prev_hash"] != prev_hash:
        raise _Fault(f"event {seq} does not follow the event before it", seq)
    if row["hash"] != digest:
        raise _Fault(f"the content of event {seq} does not have the hash it was recorded with", seq)
    return digest


def _replay(replayed: apsw.Connection, row: Mapping[str, Any]) -> None:
    fact = {name: value for name, value in row.items() if name not in ("prev_hash", "hash")}
    try:
        project(replayed, Fact(**fact))
    except (CodencerError, apsw.Error, UnicodeError) as problem:
        raise _Fault(f"event {row['seq']} cannot have happened: {problem}", row["seq"]) from problem


def _rows(connection: apsw.Connection, table: str) -> Iterator[dict[str, Any]]:
    cursor = connection.execute(QUERIES[f"all_{table}"])
    for row in cursor:
        names = [column[0] for column in cursor.get_description()]
        yield dict(zip(names, row, strict=True))


def _read(connection: apsw.Connection, query: str) -> list[tuple[Any, ...]]:
    try:
        return list(connection.execute(QUERIES[query]))
    except (apsw.Error, UnicodeError) as problem:
        raise _Fault(f"the end of the chain cannot be read: {problem}") from problem


def _compare(table: str, found: Iterator[dict[str, Any]], derived: Iterator[dict[str, Any]]) -> None:
    try:
        for ours, theirs in zip_longest(found, derived):
            if ours != theirs:
                raise _Fault(f"{table} is not what the events say: {_difference(ours, theirs)}")
    except (apsw.Error, UnicodeError) as problem:
        raise _Fault(f"{table} cannot be read: {problem}") from problem


def _difference(ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None) -> str:
    row = ours or theirs or {}
    named = row.get("id") or row.get("step_id") or row.get("attempt_id")
    if ours is None:
        return f"{named} is missing"
    if theirs is None:
        return f"{named} should not be there"
    columns = ", ".join(name for name, value in ours.items() if value != theirs.get(name))
    return f"{named} differs in {columns}"


def _integrity(connection: apsw.Connection) -> str:
    try:
        return str(connection.execute("PRAGMA integrity_check(1)").get)
    except apsw.Error as problem:
        return str(problem)
