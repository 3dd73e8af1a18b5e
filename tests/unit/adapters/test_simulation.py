"""The simulation adapter starts the scripted agent, isolated, with the prompt on stdin."""

import sys
from pathlib import Path

import pytest

from codencer import __version__
from codencer.adapters import load
from codencer.model.ports import Assignment
from codencer.model.step import AdapterSettings
from codencer.model.task import TaskSpec

ASSIGNMENT = Assignment(
    task=TaskSpec(goal="g"),
    prompt="do ä",
    workspace=Path("/w"),
    task_file=Path("/t"),
    prompt_file=Path("/p"),
    result_file=Path("/r"),
    report_file=Path("/r"),
)


def test_it_is_there_and_has_our_version() -> None:
    probe = load("simulation").probe()
    assert (probe.installed, probe.version) == (True, __version__)


def test_the_launch() -> None:
    launch = load("simulation").launch(ASSIGNMENT)
    assert launch.argv[:3] == (sys.executable, "-I", "-S")
    assert Path(launch.argv[3]).is_file()
    assert launch.stdin == "do ä".encode()
    assert launch.env_names == ()
    assert launch.env == {}


def test_behaviour_is_let_through_by_name_only_when_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODENCER_SCRIPT", "hang")
    launch = load("simulation", AdapterSettings(name="simulation", env=("OTHER",))).launch(ASSIGNMENT)
    assert launch.env_names == ("OTHER", "CODENCER_SCRIPT")
    assert "hang" not in launch.argv
