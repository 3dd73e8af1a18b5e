"""The command line: which groups are measured, in which order, and what becomes of the figures."""

import argparse
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import kept
from bench.figures import MISSED, Figure, table
from bench.scene import Scene, Unmeasured, scene
from codencer.errors import CodencerError

RESULTS = Path(__file__).parent / "results"

GROUPS = {
    "work": "bench.census:measure",
    "step": "bench.steps:small",
    "baseline": "bench.baselines:measure",
    "crowd": "bench.crowd:measure",
    "step-10k": "bench.steps:middle",
    "step-100k": "bench.steps:large",
    "command": "bench.cold:command",
    "start": "bench.cold:daemon",
    "idle": "bench.memory:idle",
    "output": "bench.memory:output",
    "supervisor": "bench.supervised:measure",
    "sandbox": "bench.sandboxed:measure",
    "adoption": "bench.adoption:measure",
    "ledger": "bench.commits:measure",
    "durability": "bench.durability:measure",
    "agents": "bench.agents:measure",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and keep the numbers; 0 whether goals were met or not, 1 if a group failed."""
    given = _parse(arguments)
    # Whoever stops this must not leave daemons behind: every block is left in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    names = given.only or list(GROUPS)
    began, load = time.monotonic(), os.getloadavg()[0]
    with scene() as place:
        measured = {name: _measure(name, place, given.quick) for name in names}
        figures = [figure for found in measured.values() for figure in found or ()]
        about = {"machine": kept.machine(place), "quick": given.quick, "groups": names}
    seconds = time.monotonic() - began
    kept.write(given.out, figures, {**about, "seconds": round(seconds), "load_before": round(load, 1)})
    print(table(figures))
    print(f"\n{_verdict(figures)}")
    print(f"Measured in {seconds:.0f} s, load {load:.1f} before. Kept in {_short(given.out)}.")
    return 1 if None in measured.values() else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measure Codencer against its budgets.")
    parser.add_argument(
        "--only", action="append", choices=list(GROUPS), help="this group alone; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it works")
    parser.add_argument(
        "--out", type=Path, default=RESULTS / "latest.json", help="where the numbers are kept"
    )
    return parser.parse_args(arguments)


def _measure(name: str, place: Scene, quick: bool) -> list[Figure] | None:
    """The figures of a group: none where it cannot be measured at all, None when it failed."""
    module, _, function = GROUPS[name].partition(":")
    began = time.monotonic()
    print(f"bench: {name} …", end="", file=sys.stderr, flush=True)
    try:
        figures: list[Figure] = getattr(importlib.import_module(module), function)(place, quick)
    except (Unmeasured, CodencerError, OSError, subprocess.SubprocessError) as problem:
        print(f" failed: {problem}", file=sys.stderr)
        return None
    print(f" {time.monotonic() - began:.1f} s" + ("" if figures else ", not possible here"), file=sys.stderr)
    return figures


def _verdict(figures: Sequence[Figure]) -> str:
    judged = [figure for figure in figures if figure.goal is not None]
    missed = [figure.name for figure in judged if figure.verdict == MISSED]
    if not judged:
        return "No goal was set for any of these."
    if not missed:
        return f"All {len(judged)} goals met."
    return f"{len(missed)} of {len(judged)} goals missed: {'; '.join(missed)}."


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.resolve().is_relative_to(Path.cwd()) else str(path)
