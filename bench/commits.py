"""The ledger alone: what a durable write costs, one after the other and fifty at once.

Beside it stands what the disk asks for: appending as many bytes to a file and one fdatasync.
"""

import asyncio
import os
import time
from pathlib import Path
from statistics import median

from bench.bare import RECORD_BYTES
from bench.figures import Figure, Pairs, paired
from bench.scene import Scene, Unmeasured
from codencer.ledger import Ledger
from codencer.ledger.audit import verify
from codencer.model.event import EventKind

ROUNDS, QUICK_ROUNDS = 300, 40
AT_ONCE = 50
BURSTS, QUICK_BURSTS = 20, 4
BODY = {"version": "bench", "pid": 1, "mode": "real"}


def measure(scene: Scene, quick: bool) -> list[Figure]:
    """Sequential and concurrent commits, each next to a bare append and fdatasync."""
    ledger = scene.folder / "bench.db"
    rounds, bursts = (QUICK_ROUNDS, QUICK_BURSTS) if quick else (ROUNDS, BURSTS)
    with _Disk(scene.folder / "bench.log") as disk:
        single, burst = asyncio.run(_measure(ledger, disk, rounds, bursts))
    report = verify(ledger)
    if report.fault is not None:
        raise Unmeasured(f"the ledger does not verify: {report.fault}")
    return [
        _figure("durable commit, one after the other", single),
        _figure(f"durable commit, {AT_ONCE} at once, each", burst),
    ]


def _figure(name: str, pairs: Pairs) -> Figure:
    disk = f"disk alone {median(pairs.bare):.2f} ms: {pairs.ratio:.2f} x"
    return Figure(
        group="ledger", name=name, value=median(pairs.bridge), unit="ms", beside=disk, samples=pairs.bridge
    )


async def _measure(path: Path, disk: "_Disk", rounds: int, bursts: int) -> tuple[Pairs, Pairs]:
    ledger = Ledger.open(path)
    try:
        await _write(ledger)
        single = [(await _write(ledger), disk.append()) for _ in range(rounds)]
        burst = [(await _burst(ledger), disk.append()) for _ in range(bursts)]
    finally:
        await asyncio.to_thread(ledger.close)
    return paired(single), paired(burst)


async def _write(ledger: Ledger) -> float:
    began = time.perf_counter()
    await ledger.write(lambda tx: tx.append(EventKind.DAEMON_STARTED, BODY))
    return (time.perf_counter() - began) * 1000


async def _burst(ledger: Ledger) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(_write(ledger) for _ in range(AT_ONCE)))
    return (time.perf_counter() - began) * 1000 / AT_ONCE


class _Disk:
    """A file that records are appended to, each made durable."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __enter__(self) -> "_Disk":
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._handle)

    def append(self) -> float:
        began = time.perf_counter()
        os.write(self._handle, b"." * RECORD_BYTES)
        os.fdatasync(self._handle)
        return (time.perf_counter() - began) * 1000
