"""An agent without quota rests and goes on: the same attempt, the same conversation, nobody in its way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.engine import pausing
from codencer.model.attempt import ErrorKind
from codencer.model.step import StepState

Open = Callable[..., Any]

HALF = "simulate: session talk\nsimulate: spend 10 400\nsimulate: write half.txt 1\n"
REST = "simulate: spend 5 100\nsimulate: write code.txt fixed"
LONG = HALF + "simulate: quota 3600\n" + REST


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo({"code.txt": "broken\n"})


@pytest.fixture
def policy(repo: Path) -> Callable[..., dict[str, Any]]:
    def write(**retry_when: object) -> dict[str, Any]:
        folder = repo / ".codencer" / "policies"
        folder.mkdir(parents=True, exist_ok=True)
        document = {"version": "v1", "name": "again", "retry_when": retry_when, "continue_when": {}}
        (folder / "again.yaml").write_text(json.dumps(document))
        return {"policy_bundle": "again"}

    return write


async def kinds(house: Any, step: Any, last: str = "step.settled") -> list[str]:
    found = []
    async for event in house.engine.events(step=step.id):
        found.append(event.kind.value)
        if event.kind == last:
            break
    return found


async def test_it_goes_on_in_the_same_attempt_and_conversation(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        step = await house.run_to_end(f"{HALF}simulate: quota 0.3\n{REST}")
        result = await house.engine.result(step.id)
        (attempt,) = await house.engine.attempts(step.id)
        happened = await kinds(house, step)
        artifacts = {each.name: each for each in await house.engine.artifacts(step.id)}
        text = {
            name: (await house.engine.artifact(artifacts[name].id))[1].read_text()
            for name in (
                "agent-1.stdout.log",
                "stdout.log",
                "prompt.txt",
                "prompt-again.txt",
                "transcript.jsonl",
            )
        }
    assert step.state is StepState.COMPLETED, step.summary
    assert [(each.path, each.status) for each in result.files_changed] == [
        ("code.txt", "M"),
        ("half.txt", "A"),
    ]
    assert [each for each in happened if each.startswith("agent.")] == [
        "agent.launching",
        "agent.started",
        "agent.paused",
        "agent.launching",
        "agent.exited",
    ]
    (pause,) = attempt.pauses
    assert (pause.launch, pause.cause, pause.session_id, attempt.launch) == (
        "agent-1",
        ErrorKind.QUOTA,
        "talk.4",
        "agent-2",
    )
    assert attempt.pause is None
    assert (result.agent.output_tokens, result.agent.cost_usd) == (15, "0.000500"), "of both launches"
    assert "wrote half.txt" in text["agent-1.stdout.log"]
    assert text["stdout.log"].splitlines()[-1] == "wrote code.txt"
    assert "simulate: session talk" in text["prompt.txt"]
    assert text["prompt-again.txt"].startswith("You were interrupted")
    assert text["transcript.jsonl"].index("half.txt") < text["transcript.jsonl"].index("code.txt")


async def test_a_pause_takes_no_place_survives_a_restart_and_can_be_cancelled(
    repo: Path, open_engine: Open
) -> None:
    async with open_engine(repo, max_parallel="1") as house:
        step = await house.submit(LONG)
        await house.reached(step, "agent.paused")
        other = await house.run_to_end("simulate: say hello", run="other")
        waiting = await house.engine.get_step(step.id)
        reason = house.engine.waiting_reason(waiting)
    assert other.state is StepState.COMPLETED
    assert waiting.state is StepState.RUNNING
    assert reason.startswith("waits until ")
    assert reason.endswith(" UTC: quota of simulation")
    async with open_engine(repo, max_parallel="1") as house:
        assert house.engine.waiting_reason(await house.engine.get_step(step.id)) == reason
        await house.engine.cancel(step.id, "test")
        ended = await house.settled(step)
        result = await house.engine.result(step.id)
        artifacts = {each.name for each in await house.engine.artifacts(step.id)}
    assert (ended.state, ended.attempts) == (StepState.CANCELLED, 1)
    assert [each.path for each in result.files_changed] == ["half.txt"], "its work is kept"
    assert (result.agent.output_tokens, result.agent.exit_code) == (10, 75)
    assert {"stdout.log", "exit.json"} <= artifacts


async def test_a_pause_that_is_over_while_the_daemon_is_away_ends_at_its_next_start(
    repo: Path, open_engine: Open
) -> None:
    async with open_engine(repo) as house:
        aborted = await house.submit(LONG, run="aborted")
        step = await house.submit(f"{HALF}simulate: overload 0.5\n{REST}")
        for each in (aborted, step):
            await house.reached(each, "agent.paused")
    async with open_engine(repo) as house:
        assert (await house.settled(step)).state is StepState.COMPLETED
        await house.engine.change_run("aborted", "abort", "test")
        assert (await house.settled(aborted)).state is StepState.CANCELLED


async def test_without_a_conversation_policy_decides_and_waits_as_long(
    repo: Path, open_engine: Open, policy: Callable[..., Any]
) -> None:
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: quota 3600")
        waited = await house.submit("simulate: quota 3600", **policy(adapter_process_failed=True))
        await house.reached(waited, "step.retry_planned")
        planned = (await house.engine.get_step(waited.id)).next_try
        (attempt,) = await house.engine.attempts(waited.id)
        await house.engine.cancel(waited.id, "test")
    assert (step.state, step.attempts) == (StepState.FAILED_ADAPTER, 1), "basic never retries"
    assert (attempt.pauses, attempt.outcome.error_kind) == ((), ErrorKind.QUOTA)
    assert 3000 < planned.wait.microseconds / 1_000_000 <= 3600


async def test_another_agent_takes_over_at_once_where_policy_says_so(
    repo: Path, open_engine: Open, policy: Callable[..., Any]
) -> None:
    (repo / ".codencer").mkdir()
    table = '[adapters.other]\ncommand = ["sh", "-c", "echo fixed > code.txt"]\n'
    (repo / ".codencer" / "config.toml").write_text(table)
    retrying = policy(adapter_process_failed=True, next_adapter=True, backoff_seconds=3600)
    task = {"is_simulation": False, "adapter_profile": "simulation", "fallback_adapters": ["other"]}
    async with open_engine(repo) as house:
        step = await house.run_to_end(LONG, **task, **retrying)
        attempts = await house.engine.attempts(step.id)
        result = await house.engine.result(step.id)
    assert step.state is StepState.COMPLETED
    assert [(each.adapter, len(each.pauses)) for each in attempts] == [("simulation", 0), ("other", 0)]
    assert result.warnings[0] == "attempt 1 (simulation): the scripted agent plays quota"


async def test_after_so_many_pauses_it_has_failed(
    repo: Path, open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pausing, "MOST_PAUSES", 2)
    goal = "simulate: session talk\n" + "simulate: quota 0\n" * 4
    async with open_engine(repo) as house:
        step = await house.run_to_end(goal)
        (attempt,) = await house.engine.attempts(step.id)
    assert step.state is StepState.FAILED_ADAPTER
    assert step.summary == "the scripted agent plays quota"
    assert [each.launch for each in attempt.pauses] == ["agent-1", "agent-2"]
    assert attempt.launch == "agent-3"
