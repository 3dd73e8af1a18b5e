"""Tables that differ are derived anew from a chain that holds; anything else is left as it is."""

import asyncio
import hashlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from codencer.errors import Conflict, LedgerFailed, NotFound, StorageFailed
from codencer.ledger import Ledger, Queries, Transaction, look_up, rebuild, verify, writing_process

Walk = Callable[[Transaction, str, str], tuple[str, str, str]]
StartRun = Callable[[str], Callable[[Transaction], None]]


@pytest.fixture
def path(tmp_path: Path, walk: Walk, start_run: StartRun) -> Path:
    """A closed ledger with a run and a step that had every kind of event."""

    async def fill(ledger: Ledger) -> None:
        await ledger.write(start_run("one"))
        await ledger.write(lambda tx: walk(tx, "one", "parser"))

    ledger = Ledger.open(tmp_path / "codencer.db")
    asyncio.run(fill(ledger))
    ledger.close()
    return ledger.path


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def chain(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM events").fetchall()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE steps SET state = 'completed'",
        "DELETE FROM artifacts",
        "UPDATE attempts SET snapshot = NULL, released = 0",
        "INSERT INTO runs SELECT 'two', 99, state, '', '', '', '', 1, 1, '', NULL FROM runs",
    ],
)
def test_tables_are_derived_anew_and_the_chain_stays(path: Path, damage: str) -> None:
    before = chain(path)
    change(path, damage)
    assert not verify(path).ok
    copy = rebuild(path)
    assert verify(path).ok
    assert chain(path) == before
    assert not verify(copy).ok, "the copy is the ledger as it was"
    assert chain(copy) == before
    assert copy.stat().st_mode & 0o777 == 0o600


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_ledger_that_holds_or_a_chain_that_does_not_is_left_alone(path: Path) -> None:
    before = digest(path)
    with pytest.raises(Conflict, match="what its events say"):
        rebuild(path)
    assert digest(path) == before
    change(path, "DROP TRIGGER events_never_change", "UPDATE events SET body = '{}' WHERE seq = 2")
    before = digest(path)
    with pytest.raises(Conflict, match="chain of the ledger"):
        rebuild(path)
    assert digest(path) == before
    assert not list(path.parent.glob("*.bak"))


def test_a_damaged_file_is_left_alone(path: Path) -> None:
    """A page of an index is overwritten: the chain still reads, the file is not sound."""
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'gates_by_run'"
        ).fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    before = digest(path)
    with pytest.raises((LedgerFailed, StorageFailed, Conflict)):
        rebuild(path)
    assert digest(path) == before


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(path: Path) -> Iterator[int]:
    """Another process is between BEGIN and COMMIT; its id."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder.pid
        holder.communicate("")


def test_whoever_holds_the_lock_is_named(path: Path) -> None:
    assert writing_process(path) is None
    with held(path) as pid:
        assert writing_process(path) == pid
    assert writing_process(path) is None


async def test_a_locked_ledger_is_reported_until_it_is_free(
    path: Path, start_run: StartRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codencer.ledger.connection.BUSY_MILLISECONDS", 200)
    ledger = Ledger.open(path)
    with held(path):
        with pytest.raises(LedgerFailed, match="Another process holds the lock"):
            await ledger.write(start_run("two"))
        assert "Another process" in (ledger.problem or "")
        assert [run.id for run in await ledger.read(Queries.runs)] == ["one"]
    await ledger.write(start_run("two"))
    assert ledger.problem is None
    ledger.close()
    assert verify(path).ok


def test_the_record_is_read_without_a_daemon(path: Path, tmp_path: Path) -> None:
    assert [run.id for run in look_up(path, Queries.runs)] == ["one"]
    with pytest.raises(NotFound):
        look_up(tmp_path / "none.db", Queries.runs)
