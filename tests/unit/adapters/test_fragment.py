"""A result fragment is the agent's: nothing in it may crash the bridge or be taken on trust."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.adapters.fragment import MAX_FRAGMENT_BYTES, MAX_ITEMS, Fragment, read_fragment

# A busy machine is not a failure.
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_a_whole_fragment() -> None:
    data = {"summary": "done", "questions": ["why?"], "warnings": ["slow"], "needs_human_decision": True}
    assert read_fragment(json.dumps(data).encode()) == Fragment(
        summary="done", questions=("why?",), warnings=("slow",), needs_human_decision=True
    )


def test_none_and_an_empty_file_say_nothing() -> None:
    assert read_fragment(None) == read_fragment(b"") == read_fragment(b" \n") == Fragment()


def test_what_does_not_fit_is_a_warning_and_the_rest_is_kept() -> None:
    said = read_fragment(
        b'{"summary": 3, "questions": ["a", 1, null], "warnings": "w", "state": "completed", "x": 1}'
    )
    assert said.summary == ""
    assert said.questions == ("a",)
    assert [warning.removeprefix("result file: ") for warning in said.warnings] == [
        "2 unknown key(s) ignored: state, x; known: summary, questions, warnings, needs_human_decision",
        "summary is not a text and was ignored",
        "2 of questions are not texts and were ignored",
        "warnings is not a list and was ignored",
    ]


def test_an_unclear_need_of_a_decision_counts_as_one() -> None:
    said = read_fragment(b'{"needs_human_decision": "yes"}')
    assert said.needs_human_decision
    assert said.warnings


def test_unreadable_files_are_a_warning() -> None:
    unreadable = [
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe{}",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"summary": ' + b"9" * 10_000 + b"}",
        b"{}" + b" " * MAX_FRAGMENT_BYTES,
    ]
    for data in unreadable:
        said = read_fragment(data)
        assert said.warnings
        assert said == Fragment(warnings=said.warnings)


def test_everything_is_bounded_and_printable() -> None:
    data = {"summary": "s" * 9000, "questions": ["\x1b[31mq\ud800"] * (MAX_ITEMS + 1)}
    said = read_fragment(json.dumps(data).encode())
    assert len(said.summary) == 4000
    assert said.questions == ("q?",) * MAX_ITEMS
    assert said.warnings == (
        f"result file: only the first {MAX_ITEMS} of {MAX_ITEMS + 1} questions were kept",
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
keys = st.sampled_from(["summary", "questions", "warnings", "needs_human_decision", "other"])


@steady
@given(st.dictionaries(keys, values) | values)
def test_no_json_value_makes_it_fail(value: object) -> None:
    said = read_fragment(json.dumps(value).encode())
    for text in (said.summary, *said.questions, *said.warnings):
        text.encode("utf-8")


@steady
@given(st.binary())
def test_no_bytes_make_it_fail(data: bytes) -> None:
    read_fragment(data)
