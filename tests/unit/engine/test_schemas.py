"""The published JSON Schemas: current, closed at every depth, and agreeing with the decoder."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from codencer.engine.schemas import documents
from codencer.model.codec import DecodeError, decode, encode
from codencer.model.policy import Decision
from codencer.model.result import PolicyResult, ResultSpec
from codencer.model.step import StepState
from codencer.model.task import TaskSpec, ValidationSpec
from codencer.model.validation import TestCounts, ValidationResult, ValidationState

TOP = Path(__file__).parents[3]
TASK = Draft202012Validator(documents()["task.schema.json"])
RESULT = Draft202012Validator(documents()["result.schema.json"])
FULL_TASK: dict[str, Any] = {
    "version": "v1",
    "goal": "fix it",
    "run_id": "first-run",
    "context": {"summary": "small"},
    "validations": [
        {"name": "tests", "command": "pytest -q", "severity": "warning", "env": {"A": "b"}},
        {"name": "lint", "command": ["ruff", "check"], "report": "junit:out.xml", "timeout_seconds": 5},
    ],
    "timeout_seconds": 60,
    "base": "dirty",
}


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for item in schema.values():
            yield from objects(item)
    elif isinstance(schema, list):
        for item in schema:
            yield from objects(item)


@pytest.mark.parametrize("name", documents())
def test_the_published_file_is_what_the_dataclasses_say(name: str) -> None:
    assert json.loads((TOP / "schemas" / name).read_text(encoding="utf-8")) == documents()[name]


@pytest.mark.parametrize("name", documents())
def test_it_is_a_valid_schema_and_every_object_in_it_is_closed(name: str) -> None:
    Draft202012Validator.check_schema(documents()[name])
    found = list(objects(documents()[name]))
    assert len(found) >= 3
    assert all(each["additionalProperties"] is False for each in found)


def test_every_field_is_published_with_its_default_or_required() -> None:
    schema = documents()["task.schema.json"]
    assert list(schema["properties"]) == [each.name for each in fields(TaskSpec)]
    assert schema["required"] == ["goal"]
    assert schema["properties"]["base"]["default"] == "HEAD"
    assert schema["$defs"]["ValidationSpec"]["required"] == ["name", "command"]
    assert schema["$defs"]["ValidationSpec"]["properties"]["severity"]["enum"] == ["error", "warning"]


def test_every_setting_of_a_task_is_described() -> None:
    schema = documents()["task.schema.json"]
    described = {**schema["properties"], **schema["$defs"]["ValidationSpec"]["properties"]}
    assert [name for name, each in described.items() if not each.get("description")] == ["version"]


def test_a_full_task_is_valid_for_the_schema_and_for_the_decoder() -> None:
    TASK.validate(FULL_TASK)
    task = decode(TaskSpec, FULL_TASK)
    assert task.validations[1].command == ("ruff", "check")
    TASK.validate(encode(task))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"goal": 1},
        {"goal": "x", "goals": "y"},
        {"goal": "x", "context": {"sumary": "y"}},
        {"goal": "x", "timeout_seconds": "60"},
        {"goal": "x", "timeout_seconds": True},
        {"goal": "x", "is_simulation": "yes"},
        {"goal": "x", "is_simulation": 1},
        {"goal": "x", "acceptance": "one"},
        {"goal": "x", "validations": [{"name": "a"}]},
        {"goal": "x", "validations": [{"name": "a", "command": "b", "severity": "fatal"}]},
        {"goal": "x", "validations": [{"name": "a", "command": [1]}]},
        {"goal": "x", "validations": [{"name": "a", "command": "b", "env": {"A": 1}}]},
    ],
    ids=str,
)
def test_what_the_decoder_refuses_the_schema_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TASK.validate(wrong)
    with pytest.raises(DecodeError):
        decode(TaskSpec, wrong)


@pytest.mark.parametrize(
    "limit",
    [
        {"goal": " \n"},
        {"goal": "x", "version": "v2"},
        {"goal": "x", "run_id": "../up"},
        {"goal": "x", "step_id": "s" * 65},
        {"goal": "x", "timeout_seconds": -1},
        {"goal": "x", "validations": [{"name": "a", "command": []}]},
        {"goal": "x", "validations": [{"name": "a", "command": "b", "report": "tap"}]},
    ],
    ids=lambda each: str(each)[:60],
)
def test_limits_that_types_cannot_express_are_in_the_schema(limit: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TASK.validate(limit)


def test_results_are_valid_bare_and_full() -> None:
    bare = ResultSpec(
        run_id="r",
        step_id="step_1",
        state=StepState.PENDING,
        created_at="2026-01-01T00:00:00Z",
        updated_at="2026-01-01T00:00:00Z",
    )
    RESULT.validate(encode(bare))
    tests = ValidationResult(
        name="tests", command=("pytest",), state=ValidationState.PASSED, tests=TestCounts(passed=3)
    )
    policy = PolicyResult(name="basic", digest="00", decision=Decision.CONTINUE)
    RESULT.validate(encode(replace(bare, state=StepState.COMPLETED, validations=(tests,), policy=policy)))
    with pytest.raises(ValidationError):
        RESULT.validate({**encode(bare), "state": "done"})


def example_tasks() -> list[Path]:
    return sorted((TOP / "examples" / "tasks").glob("*.yaml"))


@pytest.mark.parametrize("path", example_tasks(), ids=lambda path: path.name)
def test_the_example_tasks_are_valid(path: Path) -> None:
    TASK.validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_a_validation_alone_round_trips() -> None:
    spec = ValidationSpec(name="a", command="true", env={"A": "b"})
    assert decode(ValidationSpec, encode(spec)) == spec
