"""The simulation adapter starts the scripted agent, isolated, with the prompt on stdin."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from codencer import __version__
from codencer.adapters import load
from codencer.adapters.simulation import MARK
from codencer.model.attempt import AgentEventKind, AgentOutcome, Ending, ErrorKind
from codencer.model.launch import ExitReason, ExitRecord
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


def test_a_conversation_is_taken_up_again() -> None:
    adapter = load("simulation")
    assert adapter.resumes
    assert adapter.launch(replace(ASSIGNMENT, session_id="talk.3")).argv[-2:] == ("--resume", "talk.3")


def ended(code: int, *lines: str) -> AgentOutcome:
    parser = load("simulation").parser()
    for byte in "".join(f"{line}\n" for line in lines).encode():
        parser.feed(bytes([byte]))
    return parser.finish(ExitRecord(reason=ExitReason.EXITED, code=code), None)


def test_what_it_says_of_itself_is_read() -> None:
    spent = MARK + '{"tokens": 5, "microusd": 70}'
    found = ended(75, spent, "work", spent, MARK + '{"error": "quota", "resets_at": 9, "session": "talk.3"}')
    assert (found.ending, found.error_kind, found.error) == (
        Ending.BROKEN,
        ErrorKind.QUOTA,
        "the scripted agent plays quota",
    )
    assert (found.resets_at, found.session_id) == (9, "talk.3")
    assert (found.output_tokens, found.cost_microusd) == (10, 140)
    [event] = load("simulation").parser().feed(f"{spent}\n".encode())
    assert (event.kind, event.data) == (AgentEventKind.USAGE, {"output_tokens": 5, "cost_microusd": 70})


@pytest.mark.parametrize(
    "line",
    [
        MARK,
        MARK + "[]",
        MARK + "{",
        MARK + '{"error": "nothing known"}',
        MARK + '{"error": ["quota"]}',
        MARK + '{"error": "crash"}',
        MARK + '{"tokens": "5", "microusd": 1.5, "session": 3, "resets_at": "soon"}',
        MARK + "[" * 4000,
    ],
)
def test_what_does_not_fit_is_no_fact(line: str) -> None:
    found = ended(3, line)
    assert (found.ending, found.error_kind) == (Ending.BROKEN, ErrorKind.CRASH)
    assert (found.session_id, found.output_tokens, found.cost_microusd, found.resets_at) == (None,) * 4


def test_an_agent_that_ends_well_has_not_run_out_of_anything() -> None:
    found = ended(0, MARK + '{"error": "quota", "resets_at": 9, "session": "s"}')
    assert (found.ending, found.error_kind, found.resets_at) == (Ending.SUCCEEDED, ErrorKind.NONE, None)
