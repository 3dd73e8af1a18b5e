"""Runs the conformance suite on every adapter whose program is installed, two at a time.

Each adapter has a process of its own, so that one that goes wrong takes no other with it; a case that
fails is run once more, because the agents are programs of other people on a busy machine.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tests.agents.catalogue import TOP, Program, cache, needed, programs

from codencer.model.codec import DecodeError, decode
from codencer.testing.conformance.cases import CASES, NAMES
from codencer.testing.conformance.profile import load, shipped
from codencer.testing.conformance.report import CaseReport, Report, Verdict

AT_A_TIME = 2
JOBS = 3
TRIES = 2
SECONDS = 900
"""For one adapter."""


def adapters() -> dict[str, Program]:
    """Every adapter there is a profile for and that needs a program, with the program."""
    profiles = set(shipped())
    return {name: program for program in programs().values() for name in program.adapters if name in profiles}


def run(names: Sequence[str], cases: Sequence[str], missing: Mapping[str, str]) -> list[Report]:
    """The reports of these adapters, in the order of the catalogue."""
    # The slowest first, so that no long one is left over at the end.
    first = sorted(names, key=lambda name: "opencode" not in name)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = dict(zip(first, pool.map(lambda name: _one(name, cases, missing), first), strict=True))
    return [found[name] for name in names]


def not_run(name: str, cases: Sequence[str], reason: str) -> Report:
    """The report of an adapter that was not tried."""
    profile = load(name, NAMES)
    untried = tuple(
        CaseReport(name=case.name, about=case.about, verdict=Verdict.NOT_RUN, reason=reason)
        for case in CASES
        if not cases or case.name in cases
    )
    return Report(adapter=name, about=profile.about, version="", cases=untried)


def _one(name: str, cases: Sequence[str], missing: Mapping[str, str]) -> Report:
    program, known = adapters()[name], programs()
    absent = [each.name for each in needed(program, known) if each.name in missing]
    if absent:
        return not_run(name, cases, f"{absent[0]} could not be installed: {missing[absent[0]]}")
    began = time.monotonic()
    report = _driven(name, cases, [str(each.bin) for each in needed(program, known)])
    counted = {verdict: report.count(verdict) for verdict in Verdict if report.count(verdict)}
    shown = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in counted.items())
    _say(f"{name}: {shown} in {time.monotonic() - began:.0f} s")
    return report


def _driven(name: str, cases: Sequence[str], path: Sequence[str]) -> Report:
    folder = cache() / "report"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    file.unlink(missing_ok=True)
    words = [sys.executable, "-P", "-m", "codencer.testing.conformance", name]
    words += ["--report", str(file), "--jobs", str(JOBS), "--tries", str(TRIES)]
    words += [word for each in path for word in ("--path", each)]
    words += [word for each in cases for word in ("--case", each)]
    try:
        with (folder / f"{name}.log").open("wb") as log:
            subprocess.run(words, cwd=TOP, stdout=log, stderr=log, timeout=SECONDS, check=False)
        return decode(Report, json.loads(file.read_bytes())[0])
    except subprocess.TimeoutExpired:
        problem = f"the suite had not ended after {SECONDS} s"
    except (OSError, ValueError, LookupError, DecodeError) as trouble:
        problem = f"the suite left no report: {trouble}; its log is {_short(folder / f'{name}.log')}"
    failed = not_run(name, cases, "")
    broken = (replace(each, verdict=Verdict.FAILED, problems=(problem,)) for each in failed.cases)
    return replace(failed, cases=tuple(broken))


def _short(path: Path) -> str:
    return str(path.relative_to(TOP)) if path.is_relative_to(TOP) else str(path)


def _say(text: str) -> None:
    sys.stderr.write(f"agents: {text}\n")
    sys.stderr.flush()
