"""Runs the scripted agent as a real process, the way its adapter says."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from codencer.adapters.simulation import SCRIPTED_AGENT, SimulationAdapter
from codencer.model.ports import Assignment
from codencer.model.step import AdapterSettings
from codencer.model.task import TaskSpec


@dataclass(frozen=True)
class Ran:
    """How it ended, and the parser-ready pieces it left."""

    code: int
    stdout: str
    stderr: str
    fragment: bytes | None


Act = Callable[..., Ran]


@pytest.fixture
def command() -> tuple[str, ...]:
    """The argv of the simulation adapter."""
    assignment = Assignment(
        task=TaskSpec(goal="g"),
        prompt="g",
        workspace=Path(),
        task_file=Path(),
        prompt_file=Path(),
        result_file=Path(),
        report_file=Path(),
    )
    argv = SimulationAdapter(AdapterSettings(name="simulation")).launch(assignment).argv
    assert argv[-1] == str(SCRIPTED_AGENT)
    return argv


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def act(command: tuple[str, ...], workspace: Path, tmp_path: Path) -> Act:
    """`act("write a b", …)` runs these directives as a task's goal, in `workspace`."""

    def run(
        *directives: str,
        goal: str | None = None,
        title: str | None = None,
        stdin: str | None = None,
        behaviour: str | None = None,
        cwd: Path = workspace,
    ) -> Ran:
        result_file = tmp_path / "result.json"
        environment = {**os.environ, "CODENCER_RESULT_FILE": str(result_file)}
        if behaviour is not None:
            environment["CODENCER_SCRIPT"] = behaviour
        if stdin is None:
            task_file = tmp_path / "task.json"
            whole = goal if goal is not None else "\n".join(f"simulate: {each}" for each in directives)
            task_file.write_text(json.dumps({"goal": whole, "title": title}))
            environment["CODENCER_TASK_FILE"] = str(task_file)
        done = subprocess.run(
            command,
            check=False,
            cwd=cwd,
            env=environment,
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=30,
        )
        fragment = result_file.read_bytes() if result_file.exists() else None
        return Ran(done.returncode, done.stdout, done.stderr, fragment)

    return run
