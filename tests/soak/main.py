"""One soak from its beginning to its report."""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.faults import why_not as no_faults
from tests.soak import processes
from tests.soak.check import NUMBERS, Check, Findings
from tests.soak.faults import Faults
from tests.soak.journal import Journal
from tests.soak.keeper import Keeper
from tests.soak.planner import Planner
from tests.soak.scene import Scene, enter_namespace, scene
from tests.soak.watcher import Watcher

PLANNERS = 4
FIRST_SECONDS = ANSWER_SECONDS = 60
SETTLE_SECONDS = 180
SHOWN = 20


class Given(NamedTuple):
    minutes: float
    kills: int | None
    seed: str
    pace: float


def main() -> int:
    given = _parse()
    why_not = enter_namespace()
    if why_not:
        sys.stdout.write(f"soak: without full disks, because {why_not}\n")
    if no_shim := no_faults():
        sys.stdout.write(f"soak: without failing disks and clock jumps, because {no_shim}\n")
    sys.stdout.write(f"soak: SEED={given.seed}\n")
    sys.stdout.flush()
    with scene(mounted=not why_not) as made:
        journal = Journal()
        began = time.monotonic()
        findings = _soak(given, made, journal)
        _report(journal, findings, time.monotonic() - began)
        if not findings.good:
            kept = Path(shutil.copytree(made.folder / "repository", made.folder / "kept", symlinks=True))
            sys.stdout.write(f"everything is kept in {made.folder}, the repository in {kept}\n")
            sys.stdout.flush()
            raise SystemExit(1)
    return 0


def _parse() -> Given:
    parser = argparse.ArgumentParser(prog="soak", description="Random work under random faults.")
    parser.add_argument("--minutes", type=float, default=10, help="how long at most")
    parser.add_argument("--kills", type=int, help="end after so many kills")
    parser.add_argument("--seed", default=str(random.randrange(10**6)), help="choices of an earlier soak")
    parser.add_argument("--pace", type=float, default=0.4, help="seconds between two faults, on average")
    given = parser.parse_args()
    return Given(given.minutes, given.kills, given.seed, given.pace)


def _soak(given: Given, made: Scene, journal: Journal) -> Findings:
    watcher, keeper = Watcher(made, journal), Keeper(given.seed, made, journal)
    before = made.look_of_the_user()
    try:
        keeper.start()
        watcher.start()
        if not watcher.await_first(FIRST_SECONDS):
            raise SystemExit(f"soak: no daemon came up: {keeper.log}")
        _work(given, made, journal, watcher, keeper)
        findings = _check(made, journal, watcher)
        if code := keeper.end():
            journal.trouble(f"the last daemon ended with {code}: {keeper.log}")
        _afterwards(made, journal, findings, before)
        return findings
    finally:
        keeper.drop()
        for seen in processes.look(made.folder, made.instance):
            with suppress(ProcessLookupError):
                os.kill(seen.pid, signal.SIGKILL)


def _work(given: Given, made: Scene, journal: Journal, watcher: Watcher, keeper: Keeper) -> None:
    """Ask and disturb until the time is over or enough was killed; then let what was asked be answered."""
    planners = [Planner(f"p{number}", given.seed, made, journal, watcher) for number in range(PLANNERS)]
    faults = Faults(given.seed, given.pace, made, journal, keeper)
    for each in (*planners, faults):
        each.start()
    deadline = time.monotonic() + given.minutes * 60
    while time.monotonic() < deadline and (given.kills is None or journal.kills < given.kills):
        watcher.await_news(0.2)
    faults.stop()
    for planner in planners:
        planner.stop()
    patience = time.monotonic() + ANSWER_SECONDS
    for planner in planners:
        planner.join(max(0.0, patience - time.monotonic()))
        if planner.is_alive():
            journal.trouble(f"{planner.name} got no answer at last: {planner.unanswered}")


def _check(made: Scene, journal: Journal, watcher: Watcher) -> Findings:
    """What a daemon says that runs undisturbed, once all steps are settled."""
    left = watcher.await_settled(set(journal.steps), SETTLE_SECONDS)
    check = Check(made, journal)
    check.findings.found["wrong"] += [f"{step} does not settle" for step in left]
    check.steps()
    check.workspaces()
    watcher.stop()
    check.events(list(watcher.seen))
    return check.findings


def _afterwards(made: Scene, journal: Journal, findings: Findings, before: dict[str, str]) -> None:
    """What must hold when nothing runs any more."""
    left = {
        f"process {seen.pid} of {seen.attempt}: {seen.line}"
        for seen in processes.look(made.folder, made.instance)
    }
    findings.found["orphaned"] += sorted(journal.orphans | left)
    words = [sys.executable, "-P", "-m", "codencer.daemon", "--check", "ledger"]
    done = subprocess.run(words, cwd=made.top, env=made.env, capture_output=True, text=True, check=False)
    with suppress(ValueError):
        if done.returncode == 0 and json.loads(done.stdout)["ok"]:
            done.stdout = ""
    if done.stdout or done.stderr:
        findings.add("wrong", f"the ledger does not hold: {done}")
    made.git("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
    for what, after in made.look_of_the_user().items():
        if after != before[what]:
            findings.add("wrong", f"the user's {what} changed: {before[what]!r} is now {after!r}")
    findings.found["wrong"] += journal.troubles


def _report(journal: Journal, findings: Findings, seconds: float) -> None:
    write = sys.stdout.write
    submitted = f"{len(journal.steps)} steps in {len(journal.runs)} runs, {findings.attempts} attempts"
    write(f"\nsubmitted    {submitted}, {findings.tokens} pieces of work, in {seconds:.0f} s\n")
    for number in NUMBERS:
        write(f"{number:12} {len(findings.found[number])}\n")
    write(f"kills        {journal.kills}\n")
    for title, counts in (("faults", journal.done), ("outcomes", findings.states)):
        write(f"{title}\n")
        for what, count in sorted(counts.items()):
            write(f"    {count:6} {what}\n")
    for number in NUMBERS:
        for line in findings.found[number][:SHOWN]:
            write(f"{number}: {line}\n")
    sys.stdout.flush()
