"""A full or read-only disk: a clear error, nothing half written, and life goes on afterwards."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codencer.errors import StorageFailed
from codencer.ledger import ArtifactStore, Ledger, Queries, Transaction, verify
from codencer.ledger.migrate import Migration, open_for_writing, shipped
from codencer.model.event import EventKind
from codencer.model.run import RunLabels

StartRun = Callable[[str], Callable[[Transaction], None]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; mounting one takes root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "codencer-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the space that is left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            while True:
                try:
                    file.write(b"x" * size)
                except OSError:
                    break
    return ballast


async def test_a_full_disk_fails_the_write_and_nothing_else(small_disk: Path, start_run: StartRun) -> None:
    def big(tx: Transaction) -> None:
        tx.append(EventKind.RUN_CREATED, {"labels": RunLabels(planner="p" * 200_000)}, run_id="big")

    ledger = Ledger.open(small_disk / "codencer.db")
    await ledger.write(start_run("before"))
    ballast = fill(small_disk)
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


def test_no_ledger_is_begun_on_a_full_disk(small_disk: Path) -> None:
    ballast = fill(small_disk)
    with pytest.raises(StorageFailed):
        Ledger.open(small_disk / "codencer.db")
    assert not (small_disk / "codencer.db").exists()
    ballast.unlink()
    Ledger.open(small_disk / "codencer.db").close()


def test_without_room_for_the_backup_nothing_is_migrated(small_disk: Path, start_run: StartRun) -> None:
    ledger = Ledger.open(small_disk / "codencer.db")
    asyncio.run(ledger.write(start_run("one")))
    ledger.close()
    ballast = fill(small_disk)
    migrations = [
        *shipped(),
        Migration(number=len(shipped()) + 1, statements=("CREATE TABLE later (x INTEGER) STRICT",)),
    ]
    with pytest.raises(StorageFailed):
        open_for_writing(ledger.path, migrations)
    assert not list(small_disk.glob("*.bak*"))
    ballast.unlink()
    report = verify(ledger.path)
    assert (report.ok, report.events) == (True, 1)


def test_a_read_only_disk_is_reported_and_can_be_verified(small_disk: Path, start_run: StartRun) -> None:
    ledger = Ledger.open(small_disk / "codencer.db")
    asyncio.run(ledger.write(start_run("one")))
    ledger.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StorageFailed):
        Ledger.open(small_disk / "codencer.db")
    with pytest.raises(StorageFailed):
        Ledger.open(small_disk / "new" / "codencer.db")
    with pytest.raises(StorageFailed):
        ArtifactStore(small_disk / "artifacts").seal("r/s/a", "log", b"x", "text/plain", "att_1")
    assert verify(ledger.path).ok
    assert os.listdir(small_disk) == ["codencer.db"]


def test_evidence_on_a_full_disk_leaves_the_source(small_disk: Path, tmp_path: Path) -> None:
    source = tmp_path / "log"
    source.write_bytes(b"x" * 100_000)
    store = ArtifactStore(small_disk / "artifacts")
    ballast = fill(small_disk)
    with pytest.raises(StorageFailed):
        store.seal("r/s/a", "log", source, "text/plain", "att_1")
    assert source.stat().st_size == 100_000
    ballast.unlink()
    assert store.path(store.seal("r/s/a", "log", source, "text/plain", "att_1")).stat().st_size == 100_000
