"""The one serialisation: exact there and back, and strict on the way in."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codencer.model.artifact import Artifact
from codencer.model.attempt import AgentOutcome, Attempt, FileChange, Provisioning, Snapshot
from codencer.model.codec import DecodeError, canonical, decode, encode
from codencer.model.launch import ExitRecord
from codencer.model.policy import Facts, Verdict
from codencer.model.result import ResultSpec
from codencer.model.run import RunLabels
from codencer.model.step import AdapterSettings, Base, FrozenSettings, Step
from codencer.model.task import Provenance, TaskSpec, ValidationSpec
from codencer.model.validation import ValidationResult

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
plain: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
st.register_type_strategy(str, texts)
st.register_type_strategy(object, plain)

KINDS: list[type[Any]] = [
    AdapterSettings,
    AgentOutcome,
    Artifact,
    Attempt,
    Base,
    ExitRecord,
    Facts,
    FileChange,
    FrozenSettings,
    Provenance,
    Provisioning,
    ResultSpec,
    RunLabels,
    Snapshot,
    Step,
    TaskSpec,
    ValidationResult,
    ValidationSpec,
    Verdict,
]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    colour: Colour = Colour.RED
    maybe: int | None = None
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    either: str | tuple[str, ...] = ""
    table: dict[str, int] = field(default_factory=dict)
    flag: bool = False


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(data=st.data())
def test_every_model_object_survives_json(kind: type[Any], data: st.DataObject) -> None:
    value = data.draw(st.from_type(kind))
    text = json.dumps(encode(value))
    assert decode(kind, json.loads(text)) == value


@given(st.from_type(TaskSpec))
def test_the_canonical_form_depends_on_the_value_alone(task: TaskSpec) -> None:
    again = decode(TaskSpec, dict(reversed(encode(task).items())))
    assert canonical(again) == canonical(task)
    assert canonical(task).isascii()


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        ([], "", "expected a mapping, found a list"),
        ({}, "name", "missing"),
        ({"name": 1}, "name", "expected text, found a whole number"),
        ({"name": None}, "name", "expected text, found null"),
        ({"name": "a\ud800"}, "name", "character 2 is a lone surrogate"),
        ({"name": "a", "nam": 1}, "nam", "unknown key"),
        ({"name": "a", "colour": "green"}, "colour", "expected one of red, blue, found 'green'"),
        ({"name": "a", "colour": 1}, "colour", "expected one of red, blue, found 1"),
        ({"name": "a", "maybe": True}, "maybe", "expected a whole number, found true or false"),
        ({"name": "a", "maybe": 1.0}, "maybe", "expected a whole number, found a decimal number"),
        ({"name": "a", "flag": 1}, "flag", "expected true or false, found a whole number"),
        ({"name": "a", "flag": "yes"}, "flag", "expected true or false, found text"),
        ({"name": "a", "inner": {"size": "1"}}, "inner.size", "expected a whole number, found text"),
        ({"name": "a", "inner": {"x": 1}}, "inner.x", "unknown key"),
        ({"name": "a", "many": {"size": 1}}, "many", "expected a list, found a mapping"),
        ({"name": "a", "many": [{}, {"size": None}]}, "many.1.size", "expected a whole number, found null"),
        ({"name": "a", "pairs": [["a"]]}, "pairs.0", "expected a list of 2"),
        ({"name": "a", "either": ["x", 2]}, "either.1", "expected text, found a whole number"),
        ({"name": "a", "table": {"k": "v"}}, "table.k", "expected a whole number, found text"),
        ({"name": "a", "table": {1: 1}}, "table", "expected keys of text, found 1"),
        ({"name": "a", "table": {"\udfff": 1}}, "table", "character 1 is a lone surrogate"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(value: object, path: str, problem: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(Outer, value)
    assert (caught.value.path, caught.value.problem) == (path, problem)


def test_lists_become_tuples_and_enums_their_members() -> None:
    found = decode(Outer, {"name": "a", "colour": "blue", "either": ["x"], "pairs": [["a", "b"]]})
    assert found == Outer(name="a", colour=Colour.BLUE, either=("x",), pairs=(("a", "b"),))


@pytest.mark.parametrize("value", [1.5, {"a": [0.1]}, b"x", {1, 2}])
def test_floats_and_foreign_values_have_no_place_in_the_record(value: object) -> None:
    with pytest.raises(TypeError, match="has no place in the record"):
        canonical(value)
