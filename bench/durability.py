"""What it costs to lose nothing: events, transactions of the ledger and waits for the disk of one step.

Events are read from the record, transactions from SQLite's log, in which the last page of each says so
(https://sqlite.org/fileformat2.html#walformat); both need no tracer. Who waits for the disk, and for
which file, strace tells; without it the third figure is left out.
"""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from bench.bridge import Bridge, bridge
from bench.census import STEPS, last_whole_step, tracer
from bench.figures import Figure, spread
from bench.scene import Scene, Unmeasured
from codencer.ledger import look_up

ROUNDS, QUICK_ROUNDS = 8, 3

_WAIT = re.compile(r"^\d+ +(?:\S+ +)?f(?:data)?sync\(\d+<([^>]*)>")
_HEADER, _FRAME = 32, 24


def measure(scene: Scene, quick: bool) -> list[Figure]:
    top = scene.repository(50)
    with bridge(scene, top) as running:
        running.step()  # makes folders and pins the base
        rounds = [_counted(running) for _ in range(QUICK_ROUNDS if quick else ROUNDS)]
    events = tuple(float(each) for each, _ in rounds)
    transactions = tuple(float(each) for _, each in rounds)
    if not all(transactions):
        raise Unmeasured("the ledger's log was begun anew during every step")
    figures = [
        _figure("events of a step", "events", events, "submission and release included"),
        _figure("transactions of a step", "commits", transactions, spread(transactions)),
    ]
    strace = shutil.which("strace")
    if strace is None:
        return figures
    waits = waits_for_the_disk(_traced(scene, top, strace))
    beside = ", ".join(f"{room} {number}" for room, number in waits.most_common())
    return [*figures, _figure("waits for the disk of a step", "fsyncs", (float(waits.total()),), beside)]


def _figure(name: str, unit: str, samples: tuple[float, ...], beside: str) -> Figure:
    return Figure(
        group="durability", name=name, value=median(samples), unit=unit, beside=beside, samples=samples
    )


def _counted(running: Bridge) -> tuple[int, int]:
    """Events and transactions of one step."""
    ledger = running.state / "codencer.db"
    log = ledger.with_name("codencer.db-wal")
    before = commits(log.read_bytes())
    step = running.step()
    after = commits(log.read_bytes())
    events = look_up(ledger, lambda queries: queries.events(step_id=step.id))
    return len(events), after[1] - before[1] if after[0] == before[0] else 0


def commits(log: bytes) -> tuple[bytes, int]:
    """Which log of SQLite's this is (it is begun anew now and then), and the transactions in it."""
    salt, size = log[16:24], int.from_bytes(log[8:12], "big")
    count, at = 0, _HEADER
    while log[at + 8 : at + 16] == salt and at + _FRAME + size <= len(log):
        count += log[at + 4 : at + 8] != bytes(4)
        at += _FRAME + size
    return salt, count


def waits_for_the_disk(trace: Iterable[str]) -> Counter[str]:
    """How often a step waited, by what it waited for."""
    found = (match[1] for line in last_whole_step(trace) if (match := _WAIT.match(line)))
    return Counter(map(_room, found))


def _room(path: str) -> str:
    name = os.path.basename(path)
    if name.startswith("codencer.db"):
        return "ledger"
    for part, room in (("/artifacts", "evidence"), ("/launches/", "launches")):
        if part in path:
            return room
    return "git" if "/.git" in path else "other"


def _traced(scene: Scene, top: Path, strace: str) -> list[str]:
    trace = scene.folder / "durability.trace"
    with bridge(scene, top, under=tracer(strace, trace)) as running:
        for _ in range(STEPS):
            running.step()
    return trace.read_text("utf-8", "replace").splitlines()
