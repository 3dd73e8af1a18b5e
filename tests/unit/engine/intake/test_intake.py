"""What a planner may hand in, and the exact words when it is wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.engine.intake.parse import Submission, parse
from codencer.errors import InvalidInput, MalformedInput, TooLarge
from codencer.model.codec import encode
from codencer.model.task import Severity, SourceKind, TaskContext, TaskSpec, ValidationSpec

FULL = """\
version: v1
project_id: my-project
run_id: first
phase_id: build
step_id: bug-fix
title: Fix the sum
goal: |
  Make the sum right.
context:
  summary: It adds one too much.
constraints: [Keep the interface.]
acceptance:
  - The tests pass.
stop_conditions: [The interface must change.]
allowed_paths: ["src/**"]
forbidden_paths: ["*.lock", "!keep.lock"]
validations:
  - name: unit
    command: pytest -q
    protected_paths: [tests/]
    timeout_seconds: 60
    env: {A: "1"}
  - name: lint
    command: [ruff, check]
    severity: warning
policy_bundle: basic
adapter_profile: fixer
timeout_seconds: 0
idle_timeout_seconds: 30
base: main
is_simulation: true
"""


def submitted(text: str, form: Any = "yaml", **overrides: object) -> tuple[TaskSpec, Any]:
    submission = Submission(
        source_kind=SourceKind.TASK_FILE,
        source_name="task.yaml",
        format=form,
        text=text,
        overrides=overrides,
    )
    return parse(submission, "first")


def test_a_full_task() -> None:
    task, provenance = submitted(FULL)
    assert task == TaskSpec(
        project_id="my-project",
        run_id="first",
        phase_id="build",
        step_id="bug-fix",
        title="Fix the sum",
        goal="Make the sum right.\n",
        context=TaskContext(summary="It adds one too much."),
        constraints=("Keep the interface.",),
        acceptance=("The tests pass.",),
        stop_conditions=("The interface must change.",),
        allowed_paths=("src/**",),
        forbidden_paths=("*.lock", "!keep.lock"),
        validations=(
            ValidationSpec(
                name="unit",
                command="pytest -q",
                protected_paths=("tests/",),
                timeout_seconds=60,
                env={"A": "1"},
            ),
            ValidationSpec(name="lint", command=("ruff", "check"), severity=Severity.WARNING),
        ),
        policy_bundle="basic",
        adapter_profile="fixer",
        timeout_seconds=0,
        idle_timeout_seconds=30,
        base="main",
        is_simulation=True,
    )
    assert provenance.original_input == FULL
    assert (provenance.source_kind, provenance.source_name) == (SourceKind.TASK_FILE, "task.yaml")
    given = {"fallback_adapters", *(f"validations.0.{key}" for key in REST), "validations.0.severity"}
    given |= {f"validations.1.{key}" for key in (*REST, "protected_paths", "timeout_seconds", "env")}
    assert set(provenance.defaults_applied) == given


REST = ("report", "baseline", "must_fail_before", "clean", "retries", "overlay", "hidden")


def test_a_goal_is_enough_and_the_run_is_filled_in() -> None:
    task, provenance = submitted("fix it\n", "text")
    assert task == TaskSpec(goal="fix it\n", run_id="first")
    assert provenance.original_format == "text"
    assert set(provenance.defaults_applied) == set(encode(task)) - {"goal"}


def test_json_and_yaml_say_the_same() -> None:
    from_yaml, _ = submitted("goal: x\nvalidations: [{name: a, command: [b]}]")
    from_json, _ = submitted('{"goal": "x", "validations": [{"name": "a", "command": ["b"]}]}', "json")
    assert from_yaml == from_json


def test_overrides_win_and_are_no_defaults() -> None:
    task, provenance = submitted(
        "goal: x\ntimeout_seconds: 5\n",
        timeout_seconds=7,
        context={"summary": "s"},
        validations=[{"name": "v", "command": "make"}],
    )
    assert (task.timeout_seconds, task.context.summary) == (7, "s")
    assert task.validations[0].command == "make"
    assert not {"timeout_seconds", "context", "context.summary"} & set(provenance.defaults_applied)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gaol: x", "task.yaml:1: gaol: unknown key (did you mean goal?)"),
        ("goal: x\n\ntimeout: 3", "task.yaml:3: timeout: unknown key (did you mean timeout_seconds?)"),
        (
            "goal: x\nvalidations:\n- name: a\n  command: make\n  timeout: 3",
            "task.yaml:5: validations.0.timeout: unknown key (did you mean timeout_seconds?)",
        ),
        (
            "goal: x\ncontext:\n  sumary: y",
            "task.yaml:3: context.sumary: unknown key (did you mean summary?)",
        ),
        ("goal: x\nzzz: 1", "task.yaml:2: zzz: unknown key (known: goal, version, "),
        ("title: x", "task.yaml:1: goal: missing"),
        ("goal: 3", "task.yaml:1: goal: expected text, found a whole number"),
        ("goal:", "task.yaml:1: goal: expected text, found null"),
        ("goal: ' \n '", "task.yaml:1: goal: it is blank"),
        ("- goal: x", "task.yaml:1: a task is a mapping"),
        ("just text", "task.yaml:1: a task is a mapping"),
        ("goal: x\nversion: v2", "task.yaml:2: version: 'v2' is not known"),
        ("goal: x\nversion: 1", "task.yaml:2: version: expected text, found a whole number"),
        (
            "goal: x\ntimeout_seconds: '3'",
            "task.yaml:2: timeout_seconds: expected a whole number, found text",
        ),
        (
            "goal: x\ntimeout_seconds: 1.5",
            "task.yaml:2: timeout_seconds: expected a whole number, found a dec",
        ),
        (
            "goal: x\ntimeout_seconds: true",
            "task.yaml:2: timeout_seconds: expected a whole number, found true",
        ),
        ("goal: x\ntimeout_seconds: -1", "task.yaml:2: timeout_seconds: -1 is out of range"),
        ("goal: x\nidle_timeout_seconds: 99999999", "task.yaml:2: idle_timeout_seconds: 99999999 is out"),
        ("goal: x\nis_simulation: yes", "task.yaml:2: is_simulation: expected true or false, found text"),
        ("goal: x\nconstraints: one", "task.yaml:2: constraints: expected a list, found text"),
        ("goal: x\nconstraints: [a,\n 3]", "task.yaml:3: constraints.1: expected text, found a whole"),
        ("goal: x\nacceptance: [' ']", "task.yaml:2: acceptance.0: it is blank"),
        ("goal: x\nrun_id: other", "task.yaml:2: run_id: the task names the run 'other'"),
        ("goal: x\nstep_id: a/b", "task.yaml:2: step_id: the name 'a/b' is not usable"),
        ("goal: x\nstep_id: ..", "task.yaml:2: step_id: the name '..' is not usable"),
        ("goal: x\nstep_id: a b", "task.yaml:2: step_id: the name 'a b' is not usable"),
        ('goal: x\nstep_id: "a\\u202eb"', "task.yaml:2: step_id: the name 'a\\u202eb' is not usable"),
        ('goal: x\nstep_id: "a\\0"', "task.yaml:2: step_id: the name 'a\\x00' is not usable"),
        ("goal: x\nadapter_profile: ../x", "task.yaml:2: adapter_profile: the name '../x' is not"),
        ("goal: x\npolicy_bundle: /etc", "task.yaml:2: policy_bundle: the name '/etc' is not"),
        ('goal: x\ntitle: "a\\nb"', "task.yaml:2: title: 'a\\nb' is not one line"),
        ('goal: x\ntitle: "a\\u202eb"', "task.yaml:2: title: 'a\\u202eb' is not one line"),
        ("goal: x\ntitle: ' '", "task.yaml:2: title: it is blank"),
        (f"goal: x\nproject_id: {'p' * 300}", "task.yaml:2: project_id: it is 300 characters long"),
        ('goal: x\nphase_id: "\\e[2J"', "task.yaml:2: phase_id: '\\x1b[2J' is not one line"),
        ("goal: x\nbase: --help", "task.yaml:2: base: '--help' is not a ref"),
        ("goal: x\nbase: ''", "task.yaml:2: base: it is blank"),
        ('goal: "a\\0b"', "task.yaml:1: goal: a NUL character is not allowed"),
        ("goal: x\nallowed_paths: [src, '']", "task.yaml:2: allowed_paths.1: The glob '' cannot be used"),
        ("goal: x\nforbidden_paths: ['../x']", "task.yaml:2: forbidden_paths.0: The glob '../x'"),
        ("goal: x\nvalidations: {}", "task.yaml:2: validations: expected a list, found a mapping"),
        ("goal: x\nvalidations:\n- name: a", "task.yaml:3: validations.0.command: missing"),
        (
            "goal: x\nvalidations:\n- {name: a, command: []}",
            "task.yaml:3: validations.0.command: it is empty",
        ),
        (
            "goal: x\nvalidations:\n- {name: a, command: ' '}",
            "task.yaml:3: validations.0.command: it is empty",
        ),
        ("goal: x\nvalidations:\n- {name: a, command: 1}", "validations.0.command: expected text, found a"),
        ('goal: x\nvalidations:\n- {name: a, command: [a, "\\0"]}', "validations.0.command: a NUL"),
        ("goal: x\nvalidations:\n- {name: a/b, command: c}", "validations.0.name: the name 'a/b' is not"),
        (
            "goal: x\nvalidations:\n- {name: a, command: c}\n- {name: A, command: c}",
            "task.yaml:4: validations.1.name: 'A' is the name of validations.0 already",
        ),
        ("goal: x\nvalidations:\n- {name: a, command: c, severity: fatal}", "expected one of error, warning"),
        ("goal: x\nvalidations:\n- {name: a, command: c, env: {1A: x}}", "'1A' is not the name of an env"),
        ("goal: x\nvalidations:\n- {name: a, command: c, env: {A: 1}}", "validations.0.env.A: expected text"),
        (
            "goal: x\nvalidations:\n- {name: a, command: c, timeout_seconds: -1}",
            "validations.0.timeout_seconds",
        ),
        (
            "goal: x\nvalidations:\n- {name: a, command: c, protected_paths: [//]}",
            "protected_paths.0: The glob",
        ),
        (
            "goal: x\nvalidations: [" + "{name: a, command: c}," * 101 + "]",
            "task.yaml:2: validations: 101 are too many",
        ),
        ("goal: x\nfallback_adapters: [a, -b]", "task.yaml:2: fallback_adapters.1: the name '-b'"),
        (f"goal: x\nfallback_adapters: [{', '.join('abcdefghijk')}]", "fallback_adapters: 11 are too many"),
    ],
)
def test_what_is_wrong_names_source_line_and_key(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        submitted(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("task.yaml:")
    assert not isinstance(caught.value, TooLarge | MalformedInput)


@pytest.mark.parametrize("form", ["text", "yaml", "json"])
@pytest.mark.parametrize("size", [2**20 + 1, 10 * 2**20])
def test_a_goal_that_is_too_long(form: str, size: int) -> None:
    goal = "g" * size
    text = {"text": goal, "yaml": f"goal: {goal}", "json": f'{{"goal": "{goal}"}}'}[form]
    with pytest.raises(TooLarge) as caught:
        submitted(text, form)
    assert len(str(caught.value)) < 200


def test_the_longest_goal() -> None:
    assert len(submitted("g" * 2**20, "text")[0].goal) == 2**20
    with pytest.raises(TooLarge):
        submitted("é" * (2**19 + 1), "text")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("yaml", "goal: [x"),
        ("yaml", "goal: x\ngoal: y"),
        ("json", '{"goal": "x", "goal": "y"}'),
        ("json", "goal: x"),
        ("yaml", ""),
        ("text", "lone \ud800"),
    ],
)
def test_what_does_not_parse_is_malformed_and_names_the_source(form: str, text: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        submitted(text, form)
    assert str(caught.value).startswith("task.yaml:")


def test_lone_surrogates_written_as_escapes_are_found() -> None:
    with pytest.raises(InvalidInput, match="task.yaml:1: goal: character 2 is a lone surrogate"):
        submitted('{"goal": "a\\ud800"}', "json")
    with pytest.raises(InvalidInput, match="lone surrogate"):
        submitted("goal: x", title="a\udfff")


def test_what_is_wrong_beside_the_document_says_so() -> None:
    with pytest.raises(InvalidInput, match="given beside task.yaml: timeout_seconds: expected a whole"):
        submitted("goal: x\ntimeout_seconds: 1", timeout_seconds="5")
    with pytest.raises(InvalidInput, match="given beside task.yaml: nonsense: unknown key"):
        submitted("goal: x", nonsense=1)


def test_the_name_of_a_source_cannot_disguise_a_message() -> None:
    submission = Submission(
        source_kind=SourceKind.GOAL, source_name="a\x1b[2J\n\u202e\udc80.yaml", format="yaml", text="x: 1"
    )
    with pytest.raises(InvalidInput) as caught:
        parse(submission, "first")
    assert str(caught.value).startswith("a\\x1b[2J\\n\\u202e\\udc80.yaml:1: ")
    submission = Submission(source_kind=SourceKind.GOAL, source_name="\udc80", text="do it")
    assert parse(submission, "first")[1].source_name == "\\udc80"


def test_a_source_without_a_name_is_called_by_its_kind() -> None:
    with pytest.raises(InvalidInput, match="^stdin: goal: it is blank"):
        parse(Submission(source_kind=SourceKind.STDIN, text=" "), "first")


def test_messages_stay_short_and_printable() -> None:
    with pytest.raises(InvalidInput) as caught:
        submitted("goal: x\nvalidations: [{name: a, command: c, severity: " + "s" * 500_000 + "}]")
    assert len(str(caught.value)) < 1000


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
task_keys = st.sampled_from([*encode(TaskSpec(goal="g")), "unknown"])


@given(st.dictionaries(task_keys, json_values, max_size=6))
def test_no_values_do_worse_than_an_error(overrides: dict[str, object]) -> None:
    assert outcome(overrides).startswith(("task.yaml:", "given beside", "first"))


def outcome(overrides: dict[str, object]) -> str:
    try:
        return str(submitted("goal: x", **overrides)[0].run_id)
    except InvalidInput as problem:
        return str(problem)
