"""The tasks in examples/ do what they say when the scripted agent does them."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from codencer.model.codec import decode
from codencer.model.task import Severity, TaskSpec
from codencer.validation import check_spec, launch

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
TASKS = sorted(path.name for path in (EXAMPLES / "tasks").iterdir())

Act = Callable[..., Any]


def read(name: str) -> TaskSpec:
    return decode(TaskSpec, yaml.safe_load((EXAMPLES / "tasks" / name).read_text()))


@pytest.fixture
def checkout(make_repo: Callable[..., Path]) -> Path:
    top = make_repo()
    shutil.copytree(EXAMPLES, top / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    return top


def codes(task: TaskSpec, checkout: Path) -> dict[str, int]:
    """The exit code of each validation, run in the checkout itself."""
    return {
        each.name: subprocess.run(
            launch(each).argv, check=False, cwd=checkout, capture_output=True, timeout=30
        ).returncode
        for each in task.validations
    }


def protected(task: TaskSpec) -> list[str]:
    return [path for path in task.protected_paths if "*" not in path]


def test_there_are_examples_in_both_formats() -> None:
    assert {"bug_fix.yaml", "docs_update.json"} <= set(TASKS)
    json.loads((EXAMPLES / "tasks" / "docs_update.json").read_text())


@pytest.mark.parametrize("name", TASKS)
def test_each_task_is_valid_and_the_scripted_agent_can_do_it(name: str, act: Act, checkout: Path) -> None:
    task = read(name)
    for validation in task.validations:
        check_spec(validation)
    ran = act(goal=task.goal, cwd=checkout)
    assert (ran.code, ran.stderr) == (0, "")
    for path in protected(task):
        assert (checkout / path).read_bytes() == (EXAMPLES.parent / path).read_bytes()


@pytest.mark.parametrize("name", ["bug_fix.yaml", "docs_update.json"])
def test_red_before_and_green_after(name: str, act: Act, checkout: Path) -> None:
    task = read(name)
    assert set(codes(task, checkout).values()) == {1}
    act(goal=task.goal, cwd=checkout)
    assert set(codes(task, checkout).values()) == {0}


def test_in_the_scoped_change_only_the_warning_fails(act: Act, checkout: Path) -> None:
    task = read("scoped_change.yaml")
    act(goal=task.goal, cwd=checkout)
    found = codes(task, checkout)
    assert {each.severity for each in task.validations if found[each.name]} == {Severity.WARNING}


def test_the_claimed_fix_passes_only_with_its_own_test(act: Act, checkout: Path) -> None:
    task = read("claims_only.yaml")
    act(goal=task.goal, cwd=checkout)
    original = EXAMPLES / "buggy" / "check_paging.py"
    shutil.copy(original, checkout / "examples/buggy/check_paging.py")
    assert codes(task, checkout) == {"paging": 1}


def test_the_question_reaches_the_result_file(act: Act, checkout: Path) -> None:
    ran = act(goal=read("question.yaml").goal, cwd=checkout)
    assert json.loads(ran.fragment)["questions"] == ["How many things are in a typical list?"]
