"""Opening: a ledger is made whole or not at all, an old one is backed up, a newer one left alone."""

import asyncio
import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from codencer.errors import IncompatibleVersion, LedgerFailed, StorageFailed
from codencer.ledger import Ledger, Queries, Transaction, verify
from codencer.ledger.audit import TABLES
from codencer.ledger.migrate import Migration, open_for_writing, shipped
from codencer.model.event import EventKind

StartRun = Callable[[str], Callable[[Transaction], None]]

NOW = len(shipped())
"""The version of a ledger that is made today."""


def fingerprint(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        file.name: (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns)
        for file in folder.iterdir()
    }


def with_another(*statements: str) -> list[Migration]:
    return [*shipped(), Migration(number=len(shipped()) + 1, statements=statements)]


def version(path: Path) -> int:
    """Read user_version from the file's header (https://sqlite.org/fileformat.html)."""
    return int.from_bytes(path.read_bytes()[60:64], "big")


@pytest.fixture
def recorded(tmp_path: Path, start_run: StartRun) -> Path:
    ledger = Ledger.open(tmp_path / "deep" / "er" / "codencer.db")
    asyncio.run(ledger.write(start_run("one")))
    ledger.close()
    return ledger.path


def test_a_new_ledger_is_private_and_durable(recorded: Path) -> None:
    assert stat.S_IMODE(recorded.stat().st_mode) == 0o600
    assert stat.S_IMODE(recorded.parent.stat().st_mode) == 0o700
    with closing(open_for_writing(recorded)) as connection:
        assert connection.execute("PRAGMA journal_mode").get == "wal"
        assert connection.execute("PRAGMA synchronous").get == 2, "FULL"
        assert connection.execute("PRAGMA foreign_keys").get == 1
        assert stat.S_IMODE(recorded.with_name("codencer.db-wal").stat().st_mode) == 0o600
        assert not list(connection.execute("PRAGMA foreign_key_check"))
        tables = connection.execute("SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict")
        assert {name for (name,) in tables} <= {"sqlite_schema", "sqlite_temp_schema"}
    assert [file.name for file in recorded.parent.iterdir()] == ["codencer.db"], "and nothing is left behind"


def test_what_an_interrupted_creation_left_is_no_obstacle(tmp_path: Path, start_run: StartRun) -> None:
    for suffix in ("", "-wal", "-journal"):
        (tmp_path / f"codencer.db.new{suffix}").write_bytes(b"half")
    (tmp_path / "codencer.db").touch()
    ledger = Ledger.open(tmp_path / "codencer.db")
    asyncio.run(ledger.write(start_run("one")))
    ledger.close()
    assert verify(ledger.path).ok


def test_a_migration_is_preceded_by_a_backup(recorded: Path) -> None:
    migrations = with_another(
        "CREATE TABLE later (x INTEGER NOT NULL) STRICT", "INSERT INTO later VALUES (1)"
    )
    connection = open_for_writing(recorded, migrations)
    assert connection.execute("SELECT x FROM later").get == 1
    connection.close()
    assert version(recorded) == NOW + 1
    backup = recorded.with_name(f"codencer.db.v{NOW}.bak")
    assert (version(backup), stat.S_IMODE(backup.stat().st_mode)) == (NOW, 0o600)
    report = verify(backup)
    assert (report.ok, report.events) == (True, 1)
    assert sorted(file.name for file in recorded.parent.iterdir()) == ["codencer.db", backup.name]
    # The backup is a ledger itself.
    ledger = Ledger.open(backup)
    assert len(asyncio.run(ledger.read(Queries.runs))) == 1
    ledger.close()


def test_a_failing_migration_changes_nothing(recorded: Path) -> None:
    migrations = with_another("CREATE TABLE later (x INTEGER) STRICT", "INSERT INTO nowhere VALUES (1)")
    with pytest.raises(LedgerFailed, match=rf"codencer\.db\.v{NOW}\.bak"):
        open_for_writing(recorded, migrations)
    assert version(recorded) == NOW
    assert verify(recorded).ok
    broken = with_another("INSERT INTO submissions VALUES ('nobody', '', '', '')")
    with pytest.raises(LedgerFailed, match="do not exist"):
        open_for_writing(recorded, broken)
    assert version(recorded) == NOW
    open_for_writing(recorded, with_another("CREATE TABLE later (x INTEGER) STRICT")).close()
    assert version(recorded) == NOW + 1


def test_every_older_ledger_is_brought_up_to_date(tmp_path: Path, start_run: StartRun) -> None:
    for known in range(1, NOW):
        path = tmp_path / str(known) / "codencer.db"
        open_for_writing(path, shipped()[:known]).close()
        ledger = Ledger.open(path)
        asyncio.run(ledger.write(start_run("one")))
        ledger.close()
        assert version(path) == NOW
        assert version(path.with_name(f"codencer.db.v{known}.bak")) == known
        assert verify(path).ok


def test_a_ledger_of_the_first_version_is_what_its_events_say_once_it_is_up_to_date(
    tmp_path: Path, start_run: StartRun, example: Callable[..., dict[str, object]]
) -> None:
    def work(tx: Transaction) -> None:
        """What the first version wrote, too, about a step that was tried twice."""
        tx.append(EventKind.STEP_SUBMITTED, example(EventKind.STEP_SUBMITTED), run_id="one", step_id="s")
        for number in (1, 2):
            body, ids = example(EventKind.ATTEMPT_STARTED, number=number), {"attempt_id": f"a{number}"}
            tx.append(EventKind.ATTEMPT_STARTED, body, step_id="s", **ids)
            for kind in (EventKind.AGENT_LAUNCHING, EventKind.AGENT_EXITED, EventKind.ATTEMPT_ENDED):
                tx.append(kind, example(kind), **ids)
            tx.append(EventKind.STEP_SETTLED, example(EventKind.STEP_SETTLED), step_id="s")
            tx.append(EventKind.STEP_RETRIED, example(EventKind.STEP_RETRIED), step_id="s")

    today = Ledger.open(tmp_path / "today.db")
    asyncio.run(today.write(start_run("one")))
    asyncio.run(today.write(work))
    today.close()
    old = tmp_path / "old.db"
    with closing(open_for_writing(old, shipped()[:1])) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM head")
        connection.execute("ATTACH ? AS today", (str(today.path),))
        for table in ("events", "head", *TABLES):
            names = [
                name
                for (name,) in connection.execute(f"SELECT name FROM pragma_table_info('{table}', 'main')")
            ]
            if not names:
                continue  # a later version has that table
            columns = ", ".join(names)
            connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM today.{table}")
    assert version(old) == 1 < NOW
    Ledger.open(old).close()
    assert (version(old), verify(old).ok) == (NOW, True)


def test_a_newer_ledger_stays_byte_for_byte(recorded: Path) -> None:
    open_for_writing(recorded, with_another("CREATE TABLE later (x INTEGER) STRICT")).close()
    before = fingerprint(recorded.parent)
    with pytest.raises(IncompatibleVersion, match="upgrade"):
        Ledger.open(recorded)
    assert fingerprint(recorded.parent) == before


def test_a_newer_ledger_whose_daemon_was_killed_stays_byte_for_byte(recorded: Path) -> None:
    """Its version is in the log only, which must be read and neither emptied nor indexed on disk."""
    script = (
        "import apsw, os, sys; c = apsw.Connection(sys.argv[1]);"
        "c.execute('PRAGMA wal_autocheckpoint = 0'); c.execute('PRAGMA user_version = 9'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(recorded)], check=True)
    recorded.with_name("codencer.db-shm").unlink()
    before = fingerprint(recorded.parent)
    assert sorted(before) == ["codencer.db", "codencer.db-wal"]
    with pytest.raises(IncompatibleVersion):
        Ledger.open(recorded)
    assert fingerprint(recorded.parent) == before


@pytest.mark.parametrize("content", [b"just text, long enough to be looked at " * 200, b"SQLite format 3\0"])
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "codencer.db"
    path.write_bytes(content)
    before = fingerprint(tmp_path)
    with pytest.raises(LedgerFailed):
        Ledger.open(path)
    assert fingerprint(tmp_path) == before


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "codencer.db"
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = fingerprint(tmp_path)
    with pytest.raises(LedgerFailed, match="not a ledger"):
        Ledger.open(path)
    assert fingerprint(tmp_path) == before


def test_the_log_of_a_lost_ledger_is_not_applied_to_a_new_one(recorded: Path) -> None:
    wal = recorded.with_name("codencer.db-wal")
    wal.write_bytes(b"x" * 100)
    recorded.unlink()
    with pytest.raises(LedgerFailed, match="put the ledger back"):
        Ledger.open(recorded)
    assert [file.name for file in recorded.parent.iterdir()] == [wal.name]


def test_a_path_that_cannot_be_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "codencer.db").mkdir()
    with pytest.raises(StorageFailed):
        Ledger.open(tmp_path / "codencer.db")
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed):
        Ledger.open(tmp_path / "file" / "codencer.db")
    assert sorted(os.listdir(tmp_path)) == ["codencer.db", "file"]


def test_what_a_migration_adds_is_what_the_events_say(recorded: Path) -> None:
    """An older ledger has the reasons of its runs in the events alone."""
    ledger = Ledger.open(recorded)

    def pause(tx: Transaction) -> None:
        body = {"state": "paused", "actor": "x", "reason": "a long story"}
        tx.append(EventKind.RUN_ADVANCED, body, run_id="one")

    asyncio.run(ledger.write(pause))
    ledger.close()
    with closing(open_for_writing(recorded)) as connection:
        for column in ("reason", "budget"):
            connection.execute(f"ALTER TABLE runs DROP COLUMN {column}")
        for column in ("halt", "scope"):
            connection.execute(f"ALTER TABLE attempts DROP COLUMN {column}")
        connection.execute("DROP INDEX attempts_of_run")
        connection.execute("PRAGMA user_version = 4")
    ledger = Ledger.open(recorded)
    [run] = asyncio.run(ledger.read(Queries.runs))
    ledger.close()
    assert run.reason == "a long story"
    assert verify(recorded).ok
