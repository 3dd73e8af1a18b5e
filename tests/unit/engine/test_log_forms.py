"""An output is told the same wherever it is cut, in bounded memory, and whatever an agent put into it."""

import json
import tracemalloc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.adapters import load
from codencer.engine.log_forms import LONGEST_EVENT, LogForm, Recorded, Told, Verbatim, event_line
from codencer.model.attempt import AgentEvent, AgentEventKind
from codencer.model.ports import Parser
from codencer.model.step import AdapterSettings

# A busy machine is not a failure.
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def plain() -> Parser:
    return load("fixer", AdapterSettings(name="fixer", command=("fix",))).parser()


def told(form: LogForm, *pieces: bytes, midway: bool = False) -> bytes:
    teller = Told(plain(), form, midway=midway)
    return b"".join([*(teller.feed(piece) for piece in pieces), teller.end()])


def test_the_lines_of_a_plain_command_are_its_messages() -> None:
    output = b"one\n\n  two\x1b[31m!\x1b[0m\nno end"
    assert told(LogForm.TEXT, output) == b"one\n  two!\nno end\n"
    events = [json.loads(line) for line in told(LogForm.EVENTS, output).splitlines()]
    assert [each["kind"] for each in events] == ["message"] * 3
    assert events[1] == {"kind": "message", "text": "  two!", "data": {}}
    raw = Verbatim()
    assert raw.feed(output) + raw.end() == output


def test_midway_it_begins_with_the_first_whole_line() -> None:
    assert told(LogForm.TEXT, b"alf a line\nwhole\n", midway=True) == b"whole\n"
    assert told(LogForm.TEXT, b"al", b"f a li", b"ne\nwho", b"le\n", midway=True) == b"whole\n"
    assert told(LogForm.TEXT, b"no end of it", midway=True) == b""


@steady
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_where_it_is_cut_makes_no_difference(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    for form in (LogForm.TEXT, LogForm.EVENTS):
        assert told(form, *pieces) == told(form, data)


def test_memory_does_not_grow_with_what_is_told() -> None:
    tracemalloc.start()
    try:
        Told(plain(), LogForm.TEXT).feed(b"y\n" * (32 * 1024))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * 1024 * 1024, "what one event takes, times the lines of a piece, and not of the output"


def message(text: str = "t", **data: Any) -> AgentEvent:
    return AgentEvent(kind=AgentEventKind.TOOL_CALL, text=text, data=data)


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "event",
    [
        message(input={"seconds": 1.5}),
        message(input=float("nan")),
        message(input=object()),
        message(input=deep()),
        message(input="x" * 10 * LONGEST_EVENT),
        message("\U0001f600" * LONGEST_EVENT, input=1),
        message("\ud800 half a pair"),
        message(kind=AgentEventKind.ERROR, many=("a", "b")),
    ],
    ids=["decimal", "nan", "thing", "deep", "long-data", "long-text", "surrogate", "enum"],
)
def test_whatever_is_in_an_event_is_one_bounded_line_that_can_be_read_again(event: AgentEvent) -> None:
    line = event_line(event)
    assert "\n" not in line
    assert len(line) <= LONGEST_EVENT
    assert json.loads(line)["kind"] == "tool_call"
    [again] = Recorded().feed(line.encode() + b"\n")
    assert again.kind is AgentEventKind.TOOL_CALL
    assert again.text[:5] == event.text[:5]


def test_a_transcript_is_told_again_and_what_is_none_of_it_is_left_out() -> None:
    lines = [event_line(message("pytest -q")), "", "{", '{"kind": "nonsense", "text": "", "data": {}}', "[1]"]
    teller = Told(Recorded(), LogForm.TEXT)
    assert teller.feed("\n".join(lines).encode()) + teller.end() == b"> pytest -q\n"
