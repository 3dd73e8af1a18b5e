"""What came out of a profile: one line a case, and the same as JSON for whoever gathers several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from codencer.model.codec import encode


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It does not apply; the reason is the profile's."""
    NOT_RUN = "not_run"
    """The agent is not here. That proves nothing, and is never counted as passed."""


@dataclass(frozen=True, kw_only=True)
class CaseReport:
    """`reason` is why it does not apply or was not run; `known` how this agent is known to differ in it.

    With more than one of `tries` the last one counts, and `problems` are those of the last that failed.
    """

    name: str
    about: str
    verdict: Verdict
    milliseconds: int = 0
    tries: int = 1
    problems: tuple[str, ...] = ()
    reason: str = ""
    known: str = ""

    @property
    def line(self) -> str:
        again = f", on try {self.tries}: before, {'; '.join(self.problems)}" if self.tries > 1 else ""
        text = {
            Verdict.PASSED: f"passed{again}",
            Verdict.FAILED: f"FAILED: {'; '.join(self.problems)}",
            Verdict.SKIPPED: f"does not apply: {self.reason}",
            Verdict.NOT_RUN: f"not run: {self.reason}",
        }[self.verdict]
        return f"{self.name:14} {self.milliseconds / 1000:6.1f} s  {text}"


@dataclass(frozen=True, kw_only=True)
class Report:
    adapter: str
    about: str
    version: str
    cases: tuple[CaseReport, ...] = field(default=())

    def count(self, verdict: Verdict) -> int:
        return sum(each.verdict is verdict for each in self.cases)

    @property
    def good(self) -> bool:
        return self.count(Verdict.FAILED) == 0

    def document(self) -> Mapping[str, Any]:
        document: Mapping[str, Any] = encode(self)
        return document


def total(reports: Sequence[Report]) -> str:
    """The last line of a run: `N passed, N failed`, with what was not tried behind it."""
    counts = {verdict: sum(each.count(verdict) for each in reports) for verdict in Verdict}
    line = f"{counts[Verdict.PASSED]} passed, {counts[Verdict.FAILED]} failed"
    skipped = counts[Verdict.SKIPPED] + counts[Verdict.NOT_RUN]
    return f"{line}, {skipped} skipped" if skipped else line
