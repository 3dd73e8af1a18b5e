"""Runs the cases of one profile: one daemon, one scripted model, several cases at a time.

The case `edit` comes first: how long it takes says how long this agent needs on this machine, and so
when a step that never ends may be ended. What has to be alone comes last, one after the other.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

from codencer.errors import CodencerError
from codencer.testing.conformance.case import Case
from codencer.testing.conformance.cases import CASES
from codencer.testing.conformance.place import NoDocument, Place, place
from codencer.testing.conformance.profile import AtWork, Profile
from codencer.testing.conformance.report import CaseReport, Report, Verdict
from codencer.testing.conformance.trial import RUN, Stage, Trial
from codencer.testing.model_server import ModelServer

FIRST = "edit"
FIRST_LIMIT_SECONDS = 30
"""Until it is known how long the agent takes."""
LEAST_LIMIT_SECONDS = 6
TIMES_FIRST = 4
"""With several at a time each of them is slower than the first one was alone."""

Say = Callable[[CaseReport], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """`names` are the cases, all when empty; one that fails is tried again until `tries` are used up.

    `path` are folders that are looked into before PATH; with `keep` the place is left as it is.
    `limit_seconds` is when a step that never ends is ended; 0 derives it from the first case.
    """

    names: tuple[str, ...] = ()
    jobs: int = 4
    tries: int = 1
    path: tuple[str, ...] = ()
    keep: bool = False
    limit_seconds: int = 0


def run(profile: Profile, options: Options, say: Say) -> Report:
    """Run the cases of a profile; `say` gets each report as soon as it is there."""
    wanted = [case for case in CASES if not options.names or case.name in options.names]
    if reason := _missing(profile, options):
        reports, version = [_untried(case, Verdict.NOT_RUN, reason) for case in wanted], ""
        for each in reports:
            say(each)
    else:
        reports, version = _run(profile, options, wanted, say)
    order = [case.name for case in CASES]
    reports.sort(key=lambda each: order.index(each.name))
    return Report(adapter=profile.adapter, about=profile.about, version=version, cases=tuple(reports))


def _run(
    profile: Profile, options: Options, wanted: Sequence[Case], say: Say
) -> tuple[list[CaseReport], str]:
    reports = []
    with ModelServer() as server, place(profile, server.url, path=options.path, keep=options.keep) as here:
        here.cli("run", "start", RUN)
        limit = options.limit_seconds or FIRST_LIMIT_SECONDS
        stage = Stage(profile=profile, place=here, server=server, limit_seconds=limit)
        for each in _in_order(stage, wanted, options):
            say(each)
            reports.append(each)
        return reports, _version(here, profile)


def _missing(profile: Profile, options: Options) -> str:
    """Why the agent cannot be run here, if it cannot."""
    if not profile.program:
        return ""
    places = [*options.path, None]
    if any(shutil.which(profile.program, path=each) for each in places):
        return ""
    return f"{profile.program} is not installed."


def _in_order(stage: Stage, wanted: Sequence[Case], options: Options) -> Iterator[CaseReport]:
    left = []
    for case in wanted:
        if reason := _skipped(stage.profile, case):
            yield _untried(case, Verdict.SKIPPED, reason)
        else:
            left.append(case)
    for case in [each for each in left if each.name == FIRST]:
        left.remove(case)
        report = _tried(stage, case, options.tries)
        yield report
        if report.verdict is Verdict.PASSED and not options.limit_seconds:
            seconds = report.milliseconds * TIMES_FIRST // 1000 + LEAST_LIMIT_SECONDS
            stage = replace(stage, limit_seconds=seconds)
    yield from _together(stage, [case for case in left if not case.alone], options)
    for case in left:
        if case.alone:
            yield _tried(stage, case, options.tries)


def _together(stage: Stage, cases: Sequence[Case], options: Options) -> Iterator[CaseReport]:
    with ThreadPoolExecutor(options.jobs) as pool:
        futures = [pool.submit(_tried, stage, case, options.tries) for case in cases]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            if not all(future.done() for future in futures):  # interrupted: whoever waits must not wait on
                pool.shutdown(wait=False, cancel_futures=True)
                stage.place.cli("stop", "--kill")


def _skipped(profile: Profile, case: Case) -> str:
    if case.needs_tools and profile.at_work is AtWork.MODEL:
        return profile.skips.get(case.name, "It has no tools.")
    if case.needs_questions and not profile.asks:
        return profile.skips.get(case.name, "It asks nobody while it works.")
    return profile.skips.get(case.name, "")


def _untried(case: Case, verdict: Verdict, reason: str) -> CaseReport:
    return CaseReport(name=case.name, about=case.about, verdict=verdict, reason=reason)


def _tried(stage: Stage, case: Case, tries: int) -> CaseReport:
    """Try a case until it passes or the tries are used up."""
    known = stage.profile.expect.get(case.name)
    report = CaseReport(
        name=case.name,
        about=case.about,
        verdict=Verdict.FAILED,
        known=known.because if known else "",
    )
    for number in range(1, tries + 1):
        began = time.monotonic()
        problems = _once(stage, case, number)
        spent = round((time.monotonic() - began) * 1000)
        report = replace(report, milliseconds=spent, tries=number)
        if not problems:
            return replace(report, verdict=Verdict.PASSED)
        report = replace(report, problems=tuple(problems))
    return report


def _once(stage: Stage, case: Case, number: int) -> list[str]:
    trial = Trial(stage=stage, case=case.name, name=f"{case.name}-{number}")
    try:
        case.run(trial)
    except (
        NoDocument,
        CodencerError,
        OSError,
        subprocess.SubprocessError,
        LookupError,
        ValueError,
    ) as problem:
        trial.problems.append(f"{type(problem).__name__}: {problem}")
    return trial.problems


def _version(here: Place, profile: Profile) -> str:
    for each in here.cli("adapters").document:
        if each["name"] == profile.adapter:
            return str(each.get("version") or "")
    return ""
