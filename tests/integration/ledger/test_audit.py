"""Tampering: any change of the events or of what is derived from them is found, and where."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import apsw
import pytest

from codencer.errors import IncompatibleVersion, LedgerFailed, NotFound
from codencer.ledger import Ledger, Transaction, VerifyReport, verify
from codencer.ledger.chain import event_hash
from codencer.model.event import EventKind

Walk = Callable[[Transaction, str, str], tuple[str, str, str]]
StartRun = Callable[[str], Callable[[Transaction], None]]
COLUMNS = ("v", "at", "run_id", "step_id", "attempt_id", "kind", "body", "prev_hash", "hash")
DERIVED = ("runs", "steps", "submissions", "attempts", "artifacts", "validations", "gates", "head")


@pytest.fixture
def recorded(tmp_path: Path, walk: Walk, start_run: StartRun) -> Path:
    """A closed ledger with two runs, two steps, and an event at its end that derives nothing."""
    ledger = Ledger.open(tmp_path / "codencer.db")

    def write(tx: Transaction) -> None:
        for run_id in ("one", "two"):
            start_run(run_id)(tx)
            walk(tx, run_id, "parser")
        tx.append(EventKind.DAEMON_STARTED, {"version": "0", "pid": 1, "mode": "real"})

    asyncio.run(ledger.write(write))
    ledger.close()
    assert verify(ledger.path).ok
    return ledger.path


@pytest.fixture
def forge(recorded: Path) -> Iterator[Callable[..., VerifyReport]]:
    """`forge(statement, bindings)`: run it on the ledger, verify, and undo it."""
    with closing(apsw.Connection(str(recorded))) as connection:
        for trigger in ("events_never_change", "events_never_go"):
            connection.execute(f"DROP TRIGGER {trigger}")

        def run(*statements: str, **bindings: object) -> VerifyReport:
            copy = recorded.with_name("forged.db")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            shutil.copy(recorded, copy)
            with closing(apsw.Connection(str(copy))) as other:
                other.execute("PRAGMA synchronous = OFF")
                for statement in statements:
                    other.execute(statement, bindings)
            report = verify(copy)
            copy.unlink()
            return report

        yield run


def altered(value: object) -> Iterator[object]:
    """Every way to change one byte of a value (each position once), and a few coarser ways."""
    if isinstance(value, int):
        yield from (value ^ 1, value ^ 1 << 40, -value - 1)
    elif isinstance(value, str):
        for position, character in enumerate(value):
            yield value[:position] + chr(ord(character) ^ 1) + value[position + 1 :]
        yield from (value[:-1], value + " ", " " + value, value.upper() if value.islower() else value + "\0")
    else:
        yield from ("", "x")


@pytest.mark.parametrize("column", COLUMNS)
def test_any_changed_byte_of_an_event_is_found(
    recorded: Path, forge: Callable[..., VerifyReport], column: str
) -> None:
    with closing(apsw.Connection(str(recorded))) as connection:
        rows = list(connection.execute(f"SELECT seq, {column} FROM events WHERE seq IN (1, 4)"))
    for seq, value in rows:
        for change in altered(value):
            report = forge(f"UPDATE events SET {column} = :value WHERE seq = :seq", seq=seq, value=change)
            assert (report.ok, report.fault_seq) == (False, seq), (column, value, change)


def test_a_changed_seq_is_found(forge: Callable[..., VerifyReport]) -> None:
    assert forge("UPDATE events SET seq = seq + 4096 WHERE seq = 9").fault_seq == 9
    assert forge("UPDATE events SET seq = -seq WHERE seq = 9").fault_seq == 1
    assert forge("UPDATE events SET seq = 0 WHERE seq = 9").fault_seq == 1


def test_bytes_that_are_no_text_are_found(forge: Callable[..., VerifyReport]) -> None:
    report = forge("UPDATE events SET body = CAST(x'7B22FF227D' AS TEXT) WHERE seq = 4")
    assert (report.ok, report.fault_seq) == (False, 4)


def test_deleted_inserted_and_reordered_events_are_found(forge: Callable[..., VerifyReport]) -> None:
    assert forge("DELETE FROM events WHERE seq = 5").fault_seq == 5
    assert forge("DELETE FROM events WHERE seq = 1").fault_seq == 1
    assert forge("DELETE FROM events").fault_seq == 1
    closing_the_gap = forge(
        "DELETE FROM events WHERE seq = 5",
        "UPDATE events SET seq = -seq WHERE seq > 5",
        "UPDATE events SET seq = -seq - 1 WHERE seq < 0",
    )
    assert closing_the_gap.fault_seq == 5
    doubled = forge(
        "UPDATE events SET seq = -seq WHERE seq > 5",
        "UPDATE events SET seq = -seq + 1 WHERE seq < 0",
        "INSERT INTO events SELECT 6, v, at, run_id, step_id, attempt_id, kind, body, prev_hash, hash "
        "FROM events WHERE seq = 5",
    )
    assert doubled.fault_seq == 6
    swapped = forge(
        "UPDATE events SET seq = -6 WHERE seq = 5",
        "UPDATE events SET seq = 5 WHERE seq = 6",
        "UPDATE events SET seq = 6 WHERE seq = -6",
    )
    assert swapped.fault_seq == 5


def test_a_tail_that_was_cut_off_is_found(recorded: Path, forge: Callable[..., VerifyReport]) -> None:
    events = verify(recorded).events
    for kept in (events - 1, events - 2, events - 10):
        report = forge("DELETE FROM events WHERE seq > :kept", kept=kept)
        assert (report.ok, report.fault_seq, report.events) == (False, kept + 1, kept)


def test_a_forged_event_with_a_right_hash_does_not_fit_what_was_derived(
    recorded: Path, forge: Callable[..., VerifyReport]
) -> None:
    """Whoever rewrites the chain to its end, hashes and all, must also rewrite the tables."""
    with closing(apsw.Connection(str(recorded))) as connection:
        (row,) = connection.execute("SELECT * FROM events ORDER BY seq DESC LIMIT 1")
        seq, v, at, run_id, step_id, attempt_id, kind, body, prev_hash, _ = row
        body = body.replace('"pid":1', '"pid":2')
    digest = event_hash(
        seq=seq, v=v, at=at, ids=(run_id, step_id, attempt_id), kind=kind, body=body, prev_hash=prev_hash
    )
    report = forge(
        "UPDATE events SET body = :body, hash = :hash WHERE seq = :seq", body=body, hash=digest, seq=seq
    )
    assert not report.ok


def derived_cells(path: Path) -> Iterator[tuple[str, str, int, object]]:
    with closing(apsw.Connection(str(path))) as connection:
        for table in DERIVED:
            cursor = connection.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid LIMIT 1")
            names = [column[0] for column in cursor.get_description()]
            for rowid, *values in cursor:
                for name, value in zip(names[1:], values, strict=True):
                    yield table, name, rowid, value


def test_any_changed_column_of_a_derived_row_is_found(
    recorded: Path, forge: Callable[..., VerifyReport]
) -> None:
    for table, name, rowid, value in derived_cells(recorded):
        if (table, name) == ("head", "one"):
            continue  # Its constraint allows no other value.
        change = value + 1 if isinstance(value, int) else f"{value or ''}x"
        if value is None and name in ("agent_pid", "landing"):
            change = 1
        report = forge(f"UPDATE {table} SET {name} = :value WHERE rowid = :rowid", value=change, rowid=rowid)
        assert not report.ok, (table, name)


def test_rows_of_derived_tables_that_come_or_go_are_found(forge: Callable[..., VerifyReport]) -> None:
    for table in DERIVED:
        report = forge(f"DELETE FROM {table}")
        assert not report.ok, table
    assert not forge(
        "INSERT INTO runs SELECT 'x', -1, state, '', '', '', '', 0, 0, '', NULL FROM runs LIMIT 1"
    ).ok


def test_events_are_append_only_by_accident_too(recorded: Path) -> None:
    with closing(apsw.Connection(str(recorded))) as connection:
        for statement in ("UPDATE events SET at = 1", "DELETE FROM events"):
            with pytest.raises(apsw.ConstraintError, match="never"):
                connection.execute(statement)


def test_a_ledger_in_use_can_be_verified(ledger: Ledger, start_run: StartRun) -> None:
    asyncio.run(ledger.write(start_run("one")))
    report = verify(ledger.path)
    assert (report.ok, report.events) == (True, 1)
    asyncio.run(ledger.write(start_run("two")))


def test_an_empty_ledger_is_right(ledger: Ledger) -> None:
    report = verify(ledger.path)
    assert (report.ok, report.events, report.hash) == (True, 0, "0" * 64)


def test_what_is_no_ledger_is_reported(tmp_path: Path, recorded: Path) -> None:
    with pytest.raises(NotFound):
        verify(tmp_path / "none.db")
    torn = tmp_path / "torn.db"
    torn.write_bytes(b"not a database " * 400)
    with pytest.raises(LedgerFailed):
        verify(torn)
    for version in (0, 99):
        with closing(apsw.Connection(str(recorded))) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        with pytest.raises(IncompatibleVersion):
            verify(recorded)


def test_a_damaged_page_is_a_fault_or_an_error_but_never_right(recorded: Path) -> None:
    whole = recorded.read_bytes()
    for page in range(1, len(whole) // 4096):
        recorded.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
        with suppress(LedgerFailed):
            assert not verify(recorded).ok, page
