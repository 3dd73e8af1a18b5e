"""The two commands: `install` fetches the agents, `run` tries every adapter on them.

`run` installs first, with the network, and then begins anew without one.
"""

import argparse
import json
import os
import sys
from collections.abc import Collection, Sequence

from tests.agents import confine, report, suite
from tests.agents.catalogue import TOP, cache, needed, programs
from tests.agents.install import install

from codencer.testing.conformance.cases import NAMES
from codencer.testing.conformance.report import Report, Verdict

PAGE = TOP / "docs" / "agents.md"
MISSING = "AGENTS_MISSING"
"""Carries the reasons of what could not be installed over to the process without a network."""


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parse(arguments)
    if given.command == "run":
        return _run(_chosen(given.agents, suite.adapters(), "agent"), _chosen(given.cases, NAMES, "case"))
    missing = install(_chosen(given.names, programs(), "program"))
    for name, reason in missing.items():
        sys.stdout.write(f"not installed: {name}: {reason}\n")
    return 1 if missing else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="agents", description="The real agents: fetch them, try them.")
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("install", help="fetch what is missing; 1 when something could not be")
    fetch.add_argument("names", nargs="*", metavar="NAME", help="this program alone; may be repeated")
    run = commands.add_parser("run", help="fetch, then run the conformance suite; 1 when a case fails")
    run.add_argument("--agents", nargs="*", default=[], help="these adapters alone")
    run.add_argument("--cases", nargs="*", default=[], help="these cases alone")
    return parser.parse_args(arguments)


def _chosen(names: Sequence[str], known: Collection[str], what: str) -> list[str]:
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"agents: there is no {what} {', '.join(unknown)}; known: {', '.join(known)}")
    return list(names)


def _run(agents: Sequence[str], cases: Sequence[str]) -> int:
    names = list(agents) or list(suite.adapters())
    if not os.environ.get(confine.CONFINED):
        known = programs()
        wanted = {each.name for name in names for each in needed(suite.adapters()[name], known)}
        os.environ[MISSING] = json.dumps(install(sorted(wanted)))
    if reason := confine.enter():
        reports = [suite.not_run(name, cases, f"{reason}.") for name in names]
    else:
        reports = suite.run(names, cases, json.loads(os.environ[MISSING]))
    _write(reports, whole=not agents and not cases)
    return 0 if all(each.good for each in reports) else 1


def _write(reports: Sequence[Report], *, whole: bool) -> None:
    folder = cache() / "report"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "junit.xml").write_bytes(report.junit(reports))
    # The page speaks of every agent, so a run that left one out has nothing to say in it.
    if whole and not any(each.count(Verdict.NOT_RUN) or each.count(Verdict.FAILED) for each in reports):
        PAGE.write_text(report.page(reports), encoding="utf-8")
    sys.stdout.write(f"{report.summary(reports)}\n")
