"""Every field of a task that concerns the agent reaches it, and hidden ones do not."""

import string
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.adapters.prompt import build_prompt
from codencer.model.task import Severity, TaskContext, TaskSpec, ValidationSpec

# A busy machine is not a failure.
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

FULL = TaskSpec(
    goal="Mend the pager.\nIt forgets a page.",
    title="Last  page\nmissing",
    context=TaskContext(summary="Reported by two users."),
    constraints=("No new dependency", "Keep the\nname"),
    acceptance=("21 things need 3 pages",),
    stop_conditions=("another file is needed",),
    allowed_paths=("src/**",),
    forbidden_paths=("*.sql",),
    validations=(
        ValidationSpec(name="unit", command="pytest -q", protected_paths=("tests/**",)),
        ValidationSpec(name="lint", command=("ruff", "check", "a b"), severity=Severity.WARNING),
        ValidationSpec(name="held-back", command="secret-check", hidden=True, protected_paths=("hidden/**",)),
    ),
)

WHOLE_PROMPT = """\
# Last page missing

## Goal

Mend the pager.
It forgets a page.

## Context

Reported by two users.

## Constraints

- No new dependency
- Keep the
  name

## Change only files that match (gitignore-style patterns)

- src/**

## Do not change files that match (gitignore-style patterns)

- *.sql

## Acceptance criteria

- 21 things need 3 pages

## Checks that will be run on the files you leave

- unit: pytest -q
- lint (failing it is only a warning): ruff check 'a b'

## Put back to their original content before those checks

- tests/**

## Stop when

- another file is needed

## Feedback on the attempt before this one

Page 3 is still missing.
"""


def test_the_whole_prompt() -> None:
    assert build_prompt(FULL, "Page 3 is still missing.") == WHOLE_PROMPT


def test_a_goal_alone_is_passed_on_word_for_word() -> None:
    goal = "  do it\n\tlike this "
    assert build_prompt(TaskSpec(goal=goal)) == goal
    assert build_prompt(TaskSpec(goal=goal, title=" ", constraints=(" ",)), " ") == goal


def test_a_task_with_only_hidden_validations_says_nothing_of_them() -> None:
    task = TaskSpec(goal="g", validations=(ValidationSpec(name="v", command="c", hidden=True),))
    assert build_prompt(task) == "g"


def test_feedback_alone_is_told() -> None:
    assert build_prompt(TaskSpec(goal="g"), "try harder") == (
        "## Goal\n\ng\n\n## Feedback on the attempt before this one\n\ntry harder\n"
    )


words = st.text(string.ascii_letters, min_size=1, max_size=12)


@steady
@given(st.lists(words), st.lists(words), st.lists(words), st.lists(words), words)
def test_nothing_given_is_lost(
    constraints: list[str], acceptance: list[str], allowed: list[str], stop: list[str], feedback: str
) -> None:
    task = replace(
        FULL,
        constraints=tuple(constraints),
        acceptance=tuple(acceptance),
        allowed_paths=tuple(allowed),
        stop_conditions=tuple(stop),
    )
    lines = build_prompt(task, feedback).split("\n")
    for item in (*constraints, *acceptance, *allowed, *stop):
        assert f"- {item}" in lines
    assert feedback in lines
    assert "secret-check" not in "".join(lines)
