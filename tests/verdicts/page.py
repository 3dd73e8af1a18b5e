"""docs/verdicts.md, made of the cases: what is tried, what comes of it, and why."""

from collections.abc import Iterable

from tests.verdicts.case import HONEST, Case
from tests.verdicts.cases import CASES
from tests.verdicts.layouts import ALL, LAYOUTS
from tests.verdicts.matrix import matrix

_INTRODUCTION = """\
# Verdicts

<!-- Made by `python -m tests.verdicts --page`; a test compares. -->

Does "completed" mean that the work is done? The verdict corpus tries it: {count} cases in
[`tests/verdicts`](../tests/verdicts), small repositories in {layouts} layouts, with agents that mend, fail or
cheat. All of them run through the real command line on one real daemon. What is right for a case is written
down with it; what came is compared, and a test of `make test` fails unless both are the same:

{matrix}
A person is asked (`needs_approval`) where the work may be good and somebody has to look. To run it yourself,
all of it or what has a word in its name:

```sh
.venv/bin/python -m tests.verdicts
.venv/bin/python -m tests.verdicts conftest
.venv/bin/python -m tests.verdicts --careless
```

The last one submits the same cases as somebody would who believes the exit code of the tests in the agent's
own workspace, and shows which cheats get past that.

"""
_RECIPES = """\
## What a careful task protects

Validations judge what they are told to judge. These are the ones of the corpus; each has `must_fail_before`,
and `clean` where the repository ignores what its runner builds. Against a program that knows its tests, add a
`hidden` validation with an [`overlay`](tasks.md#keys-of-a-validation) that runs the program from outside.

"""
_LIMITS = """\

## What no validation can tell

- A program can disarm every test that runs in its own process. Only a test from outside, that the agent has
  not seen, says more.
- A validation whose verdict is its exit code alone cannot tell a skipped test from one that passed.
  A `report` can.
- What is not protected may be changed. A runner that looks for its configuration in several files wants all
  of their names.
- What level of trust all of this has is said with each result: [trust levels](architecture.md#trust-levels).
"""


def render() -> str:
    """The whole page."""
    table = matrix((case.right, case.right) for case in CASES)
    begin = _INTRODUCTION.format(count=len(CASES), layouts=len(ALL), matrix=table)
    kinds = list(dict.fromkeys(case.kind for case in CASES if case.kind != HONEST))
    parts = [begin, "## Honest work\n\n", _rows("the agent", _of(HONEST)), "## Everything else\n\n"]
    parts += [_rows(kind, _of(kind)) for kind in kinds]
    return "".join([*parts, _RECIPES, _protected(), _LIMITS])


def _of(kind: str) -> list[Case]:
    return [case for case in CASES if case.kind == kind]


def _rows(head: str, cases: Iterable[Case]) -> str:
    """One row for all cases that come out in the same way for the same reason."""
    rows: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        names = rows.setdefault((case.right, case.why), [])
        if (name := _everywhere(case)) not in names:
            names.append(name)
    lines = [f"| {head} | comes out as | because |", "| --- | --- | --- |"]
    lines += [f"| {'; '.join(names)} | `{right}` | {why} |" for (right, why), names in rows.items()]
    return "\n".join(lines) + "\n\n"


def _everywhere(case: Case) -> str:
    """The name of a case; one that is tried in every layout is named once."""
    layout, _, deed = case.name.partition(": ")
    return f"{deed} (in every layout)" if layout in {each.name for each in LAYOUTS} else case.name


def _protected() -> str:
    lines = ["| layout | `protected_paths` | `clean` | verdict |", "| --- | --- | --- | --- |"]
    for layout in ALL:
        paths = " ".join(f"`{path}`" for path in layout.protected)
        report = "JUnit report" if "report" in layout.check else "exit code"
        lines.append(f"| {layout.name} | {paths} | {'yes' if layout.builds else 'no'} | {report} |")
    return "\n".join(lines) + "\n"
