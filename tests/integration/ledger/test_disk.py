"""A full or read-only disk: a clear error, nothing half written, and life goes on afterwards."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.errors import StorageFailed
from codencer.ledger import ArtifactStore, Ledger, Queries, Transaction, verify
from codencer.ledger.migrate import Migration, open_for_writing, shipped
from codencer.model.event import EventKind
from codencer.model.run import RunLabels

StartRun = Callable[[str], Callable[[Transaction], None]]


@pytest.fixture
def small_disk(mount: Callable[[Path, str], Any], tmp_path: Path) -> Any:
    """A file system of 1 MiB."""
    return mount(tmp_path / "disk", "1m")


async def test_a_full_disk_fails_the_write_and_nothing_else(small_disk: Any, start_run: StartRun) -> None:
    def big(tx: Transaction) -> None:
        tx.append(EventKind.RUN_CREATED, {"labels": RunLabels(planner="p" * 200_000)}, run_id="big")

    ledger = Ledger.open(small_disk.folder / "codencer.db")
    await ledger.write(start_run("before"))
    ballast = small_disk.fill()
    answers = await asyncio.gather(
        ledger.write(start_run("small")), ledger.write(big), return_exceptions=True
    )
    assert isinstance(answers[1], StorageFailed), answers
    assert "full" in str(answers[1])
    runs = {run.id for run in await ledger.read(Queries.runs)}
    assert runs == {"before"} | ({"small"} if answers[0] is None else set())
    ballast.unlink()
    await ledger.write(big)
    assert verify(ledger.path).ok
    ledger.close()


def test_no_ledger_is_begun_on_a_full_disk(small_disk: Any) -> None:
    ballast = small_disk.fill()
    with pytest.raises(StorageFailed):
        Ledger.open(small_disk.folder / "codencer.db")
    assert not (small_disk.folder / "codencer.db").exists()
    ballast.unlink()
    Ledger.open(small_disk.folder / "codencer.db").close()


def test_without_room_for_the_backup_nothing_is_migrated(small_disk: Any, start_run: StartRun) -> None:
    ledger = Ledger.open(small_disk.folder / "codencer.db")
    asyncio.run(ledger.write(start_run("one")))
    ledger.close()
    ballast = small_disk.fill()
    migrations = [
        *shipped(),
        Migration(number=len(shipped()) + 1, statements=("CREATE TABLE later (x INTEGER) STRICT",)),
    ]
    with pytest.raises(StorageFailed):
        open_for_writing(ledger.path, migrations)
    assert not list(small_disk.folder.glob("*.bak*"))
    ballast.unlink()
    report = verify(ledger.path)
    assert (report.ok, report.events) == (True, 1)


def test_a_read_only_disk_is_reported_and_can_be_verified(small_disk: Any, start_run: StartRun) -> None:
    ledger = Ledger.open(small_disk.folder / "codencer.db")
    asyncio.run(ledger.write(start_run("one")))
    ledger.close()
    small_disk.remount("ro")
    with pytest.raises(StorageFailed):
        Ledger.open(small_disk.folder / "codencer.db")
    with pytest.raises(StorageFailed):
        Ledger.open(small_disk.folder / "new" / "codencer.db")
    with pytest.raises(StorageFailed):
        ArtifactStore(small_disk.folder / "artifacts").seal("r/s/a", "log", b"x", "text/plain", "att_1")
    assert verify(ledger.path).ok
    assert os.listdir(small_disk.folder) == ["codencer.db"]


def test_evidence_on_a_full_disk_leaves_the_source(small_disk: Any, tmp_path: Path) -> None:
    source = tmp_path / "log"
    source.write_bytes(b"x" * 100_000)
    store = ArtifactStore(small_disk.folder / "artifacts")
    ballast = small_disk.fill()
    with pytest.raises(StorageFailed):
        store.seal("r/s/a", "log", source, "text/plain", "att_1")
    assert source.stat().st_size == 100_000
    ballast.unlink()
    assert store.path(store.seal("r/s/a", "log", source, "text/plain", "att_1")).stat().st_size == 100_000
