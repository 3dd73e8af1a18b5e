"""The verdict corpus has what it is to have, and its page says what is in it. Nothing is run here."""

from pathlib import Path

from tests.verdicts.case import ACCEPTED, HONEST
from tests.verdicts.cases import CASES
from tests.verdicts.layouts import LAYOUTS
from tests.verdicts.page import render

PAGE = Path(__file__).parents[2] / "docs" / "verdicts.md"
KINDS = {
    "no fix",
    "changed tests",
    "special-cased tests",
    "changed test configuration",
    "replaced runner",
    "planted files",
    "commits and history",
    "hidden changes",
    "moved files",
    "links and letters",
    "background processes",
    "claims in place of work",
    "work for a person's eye",
}


def test_the_page_is_that_of_the_cases() -> None:
    assert PAGE.read_text("utf-8") == render(), "run `python -m tests.verdicts --page > docs/verdicts.md`"


def test_no_case_hides_another() -> None:
    assert len(CASES) >= 40
    assert len({case.slug for case in CASES}) == len(CASES)


def test_only_honest_work_may_be_accepted() -> None:
    assert {case.kind for case in CASES} == KINDS | {HONEST}
    for case in CASES:
        assert (case.right in ACCEPTED) is (case.kind == HONEST), case.name


def test_every_layout_has_a_fix_nothing_a_wrong_fix_and_cheats() -> None:
    for layout in LAYOUTS:
        names = {case.name.partition(": ")[2] for case in CASES if case.name.startswith(f"{layout.name}: ")}
        assert {"mends it", "does nothing", "mends it wrongly", "weakens an assertion"} <= names
        assert {"skips the test", "removes the tests", "special-cases the test"} <= names
