"""kill -9 in the middle of writing: what was acknowledged is there, and the record is whole."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from codencer.ledger import Ledger, Queries, verify

WRITER = """
import asyncio, sys
from pathlib import Path
from codencer.ledger import Ledger
from codencer.model.event import EventKind
from codencer.model.run import RunLabels

async def keep_writing(ledger, worker):
    number = 0
    while True:
        name = f"w{worker}-{number}"
        await ledger.write(
            lambda tx: tx.append(EventKind.RUN_CREATED, {"labels": RunLabels(planner="p" * 500)}, run_id=name)
        )
        print(name, flush=True)
        number += 1

async def main():
    ledger = Ledger.open(Path(sys.argv[1]))
    await asyncio.gather(*(keep_writing(ledger, worker) for worker in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 100, 700])
def test_killed_while_writing(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "codencer.db"
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    with child.stdout as output:
        seen = [output.readline().strip() for _ in range(acknowledged)]
        child.send_signal(signal.SIGKILL)
        seen += output.read().split()
    assert child.wait(20) == -signal.SIGKILL
    assert path.with_name("codencer.db-wal").exists(), "it was killed, not closed"

    before = verify(path)
    assert before.ok, before
    ledger = Ledger.open(path)
    runs = {run.id for run in asyncio.run(ledger.read(Queries.runs))}
    ledger.close()
    # The last line may be cut; every whole one was acknowledged, hence durable.
    assert set(seen[:acknowledged]) <= runs
    assert len(set(seen) - runs) <= 1
    after = verify(path)
    assert (after.ok, after.hash, after.events) == (True, before.hash, len(runs))
