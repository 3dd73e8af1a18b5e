"""Events become few, bounded, harmless lines: whatever an agent puts into them."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.adapters.readable import (
    LINE_CHARACTERS,
    MESSAGE_CHARACTERS,
    MESSAGE_LINES,
    PLAN_LINES,
    RESULT_LINES,
    THOUGHT_LINES,
    readable,
)
from codencer.model.attempt import AgentEvent, AgentEventKind

# A busy machine is not a failure.
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
Kind = AgentEventKind


def shown(kind: AgentEventKind, text: str = "", /, **data: Any) -> list[str]:
    return readable(AgentEvent(kind=kind, text=text, data=data))


@pytest.mark.parametrize(
    ("kind", "text", "data", "lines"),
    [
        (Kind.MESSAGE, "one\n\n  two\n", {}, ["one", "", "  two"]),
        (Kind.MESSAGE, "    indented", {}, ["    indented"]),
        (Kind.MESSAGE, " \n ", {}, []),
        (Kind.THOUGHT, "first\n\nsecond", {}, ["~ first", "~ second"]),
        (Kind.TOOL_CALL, "shell: pytest -q\n  tests", {"name": "shell"}, ["> shell: pytest -q tests"]),
        (Kind.TOOL_CALL, "", {"name": "shell"}, ["> shell"]),
        (Kind.TOOL_CALL, "", {}, ["> a tool"]),
        (Kind.TOOL_RESULT, "ok\n\nfine", {"failed": False}, ["  | ok", "  | fine"]),
        (Kind.TOOL_RESULT, "no", {"failed": True}, ["  ! no"]),
        (Kind.TOOL_RESULT, "", {"failed": True}, ["  ! failed"]),
        (Kind.TOOL_RESULT, "", {}, []),
        (Kind.FILE_EDIT, "edited it", {"path": "src/a.py"}, ["* edited src/a.py"]),
        (Kind.FILE_EDIT, "src/a.py", {}, ["* edited src/a.py"]),
        (
            Kind.PLAN,
            "",
            {
                "entries": [
                    {"content": "look", "status": "completed"},
                    {"content": "mend", "status": "in_progress"},
                ]
            },
            ["plan:", "  [x] look", "  [>] mend"],
        ),
        (Kind.PLAN, "look, then mend", {"entries": "none"}, ["plan: look, then mend"]),
        (
            Kind.USAGE,
            "",
            {"input_tokens": 1200, "output_tokens": 34, "cost_microusd": 4100},
            ["= 1200 tokens in, 34 tokens out, 0.004100 USD"],
        ),
        (Kind.USAGE, "", {"input_tokens": True}, []),
        (Kind.PERMISSION, "May I run rm?", {"id": "1"}, ["? May I run rm?"]),
        (Kind.ERROR, "No credit left.", {"kind": "quota", "final": True}, ["! No credit left."]),
        (Kind.ERROR, "", {"kind": "overload", "final": False}, ["! overload (it tried again)"]),
    ],
)
def test_each_kind_has_its_lines(kind: Kind, text: str, data: dict[str, Any], lines: list[str]) -> None:
    assert shown(kind, text, **data) == lines


def test_every_kind_is_shown() -> None:
    for kind in AgentEventKind:
        assert shown(kind, "words"), kind


def test_long_ones_say_how_much_is_left_out() -> None:
    many = "\n".join(str(number) for number in range(500))
    for kind, most in (
        (Kind.MESSAGE, MESSAGE_LINES),
        (Kind.THOUGHT, THOUGHT_LINES),
        (Kind.TOOL_RESULT, RESULT_LINES),
    ):
        lines = shown(kind, many)
        assert len(lines) == most + 1
        assert lines[-1].endswith(f"… ({500 - most} more lines)")
    entries = [{"content": "x", "status": "pending"}] * 50
    assert len(shown(Kind.PLAN, entries=entries)) == PLAN_LINES + 2
    assert len(shown(Kind.TOOL_CALL, "x" * 10_000)[0]) <= LINE_CHARACTERS + 2


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["name", "path", "entries", "content", "status", "kind", "final", "failed", "id"])


@steady
@given(st.sampled_from(list(AgentEventKind)), st.text(), st.dictionaries(names, values, max_size=5))
def test_nothing_an_agent_says_breaks_it_or_draws_on_a_terminal(
    kind: AgentEventKind, text: str, data: dict[str, Any]
) -> None:
    lines = shown(kind, "\x1b[2J\x1b]0;title\x07" + text, **data)
    for line in lines:
        assert not any(ord(character) < 32 and character != "\t" for character in line)
        assert "\x7f" not in line
        assert len(line) <= MESSAGE_CHARACTERS
        line.encode("utf-8")
