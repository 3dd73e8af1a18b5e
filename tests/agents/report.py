"""What is written of a run: the summary for a person, JUnit for a machine, the table for the documentation.

The table has no dates and no durations: it changes only when what is known changes.
"""

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from codencer.testing.conformance.cases import CASES
from codencer.testing.conformance.report import CaseReport, Report, Verdict, total

_HEAD = """\
# The agents that were tried

`make test-agents` wrote this page. It drives the real program of each agent through the cases of the
[conformance suite](conformance.md), with a real daemon, the real command line, a real repository and a
scripted model, on a machine without any other network than its own loopback.

What is not said here was not tried: with a vendor's real model, on another system than Linux, or in other
versions.
"""
_MARKS = {Verdict.PASSED: "yes", Verdict.FAILED: "**no**", Verdict.SKIPPED: "-", Verdict.NOT_RUN: "not run"}


def summary(reports: Sequence[Report]) -> str:
    """Everything that a person has to know; the counts are its last line."""
    lines: list[str] = []
    for report in reports:
        for case in report.cases:
            if case.verdict is Verdict.FAILED:
                lines.append(f"FAILED {report.adapter} {case.name}: {'; '.join(case.problems)}")
            elif case.verdict is Verdict.PASSED and case.tries > 1:
                before = "; ".join(case.problems)
                lines.append(f"passed on try {case.tries}: {report.adapter} {case.name}; before: {before}")
        if reasons := {case.reason for case in report.cases if case.verdict is Verdict.NOT_RUN}:
            lines.append(f"not run: {report.adapter}: {'; '.join(sorted(reasons))}")
    return "\n".join([*lines, total(reports)])


def junit(reports: Sequence[Report]) -> bytes:
    """One suite for each adapter."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        counts = {
            "tests": len(report.cases),
            "failures": report.count(Verdict.FAILED),
            "skipped": report.count(Verdict.SKIPPED) + report.count(Verdict.NOT_RUN),
        }
        named = {"name": report.adapter, **{key: str(count) for key, count in counts.items()}}
        suite = ElementTree.SubElement(root, "testsuite", named)
        for case in report.cases:
            _test_case(suite, report, case)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _test_case(suite: ElementTree.Element, report: Report, case: CaseReport) -> None:
    about = {"classname": report.adapter, "name": case.name, "time": f"{case.milliseconds / 1000:.3f}"}
    element = ElementTree.SubElement(suite, "testcase", about)
    if case.verdict is Verdict.FAILED:
        ElementTree.SubElement(element, "failure", {"message": _clean("; ".join(case.problems))})
    elif case.verdict is not Verdict.PASSED:
        words = "does not apply" if case.verdict is Verdict.SKIPPED else "not run"
        ElementTree.SubElement(element, "skipped", {"message": _clean(f"{words}: {case.reason}")})
    elif case.tries > 1:
        said = f"passed on try {case.tries}; before: {'; '.join(case.problems)}"
        ElementTree.SubElement(element, "system-out").text = _clean(said)


def _clean(text: str) -> str:
    """XML has no way to write most control characters."""
    return "".join(character if character.isprintable() else " " for character in text)


def page(reports: Sequence[Report]) -> str:
    """docs/agents.md."""
    return "\n".join([_HEAD, *_table(reports), "", *_cases(), *_notes(reports)])


def _table(reports: Sequence[Report]) -> Iterator[str]:
    yield "## What was verified\n"
    yield "`-` is a case that does not apply to the agent, for a reason that stands below.\n"
    names = [case.name for case in CASES]
    yield f"| case | {' | '.join(f'`{report.adapter}`' for report in reports)} |"
    yield f"|---|{'---|' * len(reports)}"
    yield f"| *version* | {' | '.join(report.version or 'not told' for report in reports)} |"
    for name in names:
        marks = [_MARKS[case.verdict] for report in reports for case in report.cases if case.name == name]
        yield f"| [{name}](#cases) | {' | '.join(marks)} |"


def _cases() -> Iterator[str]:
    yield "## Cases\n"
    for case in CASES:
        yield f"- `{case.name}`: {case.about}"
    yield ""


def _notes(reports: Sequence[Report]) -> Iterator[str]:
    yield "## What does not apply, and what is known to be different\n"
    for report in reports:
        yield f"### {report.adapter}\n"
        yield f"{report.about}\n"
        notes = [
            f"- `{case.name}` does not apply: {case.reason}"
            for case in report.cases
            if case.verdict is Verdict.SKIPPED
        ]
        notes += [f"- `{case.name}`: {case.known}" for case in report.cases if case.known]
        if notes:
            yield "\n".join(notes) + "\n"
