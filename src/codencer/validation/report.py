"""JUnit XML as pytest, jest, go, surefire and node write it: one state for each test.

A test is named `CLASS.NAME`, or `NAME` without a class. Tests that share a name (parameters that do
not show) count as one, with the worst state of them. There is no standard for the format; what is read
is what they have in common. Node leaves tests without a suite.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from codencer.model.validation import TestState

LARGEST_REPORT_BYTES = 16 * 1024 * 1024
_WORST = (TestState.ERROR, TestState.FAILED, TestState.SKIPPED, TestState.PASSED)


class Unreadable(Exception):
    """The report is not one; says why."""


def read_report(data: bytes) -> dict[str, TestState]:
    """Return the state of each test.

    Raises:
        Unreadable: it is too large, no JUnit XML, or names no test at all.
    """
    if len(data) > LARGEST_REPORT_BYTES:
        raise Unreadable(f"it has more than {LARGEST_REPORT_BYTES} bytes")
    found: dict[str, TestState] = {}
    for name, state in _tests(data):
        known = found.get(name, state)
        found[name] = min(known, state, key=_WORST.index)
    if not found:
        raise Unreadable("it names no test")
    return found


def _tests(data: bytes) -> Iterator[tuple[str, TestState]]:
    # Importing it takes as long as a whole command of the CLI, and few tasks have reports.
    from junitparser import JUnitXml, JUnitXmlError, TestCase

    try:
        report = JUnitXml.fromstring(data)
        loose = report.iterchildren(TestCase)  # type: ignore[no-untyped-call]
        for case in chain(loose, *report):
            name = case.name or ""
            yield (f"{case.classname}.{name}" if case.classname else name), _state(case)
    except (JUnitXmlError, SyntaxError, ValueError, TypeError, AttributeError) as problem:
        raise Unreadable(f"it is no JUnit XML: {problem}") from problem


def _state(case: Any) -> TestState:
    if case.is_error:
        return TestState.ERROR
    if case.is_failure:
        return TestState.FAILED
    return TestState.SKIPPED if case.is_skipped else TestState.PASSED
