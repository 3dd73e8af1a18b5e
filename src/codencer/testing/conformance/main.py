"""The command: `python -m codencer.testing.conformance PROFILE…`, one line a case, then the counts."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from codencer.errors import CodencerError
from codencer.testing.conformance.cases import CASES, NAMES
from codencer.testing.conformance.driver import Options, run
from codencer.testing.conformance.profile import load, shipped
from codencer.testing.conformance.report import CaseReport, Report, total


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 when a case failed, 2 when a profile cannot be used."""
    given = _parser().parse_args(arguments)
    # Whoever stops this must not leave a daemon behind: every block is left in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        profiles = [load(name, NAMES) for name in given.profiles]
    except CodencerError as problem:
        sys.stderr.write(f"conformance: {problem}\n")
        return 2
    options = Options(
        names=tuple(given.case or ()),
        jobs=given.jobs,
        tries=given.tries,
        path=tuple(map(os.path.abspath, given.path or ())),
        keep=given.keep,
        limit_seconds=given.limit,
    )
    reports: list[Report] = []
    for profile in profiles:
        _say(f"{profile.adapter}")
        reports.append(run(profile, options, _show))
    if given.report:
        documents = [each.document() for each in reports]
        Path(given.report).write_text(json.dumps(documents, indent=2, ensure_ascii=False), encoding="utf-8")
    _say(total(reports))
    return 0 if all(report.good for report in reports) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m codencer.testing.conformance",
        description="Prove an adapter: drive its agent through the cases with a scripted model.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["cases:", *(f"  {case.name:14} {case.about}" for case in CASES)]),
    )
    parser.add_argument(
        "profiles", nargs="+", metavar="PROFILE", help=f"a TOML file, or one of {', '.join(shipped())}"
    )
    parser.add_argument("--case", action="append", choices=NAMES, help="this case alone; may be repeated")
    parser.add_argument("--jobs", type=int, default=4, help="cases at a time (4)")
    parser.add_argument("--tries", type=int, default=1, help="how often a case is tried until it passes (1)")
    parser.add_argument("--path", action="append", help="a folder to look into before PATH; may be repeated")
    parser.add_argument("--limit", type=int, default=0, help="seconds for a step that never ends (measured)")
    parser.add_argument("--report", help="a file for the report as JSON")
    parser.add_argument("--keep", action="store_true", help="leave the folder with repository and home")
    return parser


def _show(report: CaseReport) -> None:
    _say(f"  {report.line}")


def _say(text: str) -> None:
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + os.linesep)
    sys.stdout.flush()
