"""How many attempts at once, whose turn it is, and what a waiting step says it waits for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.engine import Submission
from codencer.errors import InvalidInput
from codencer.model.codec import decode
from codencer.model.run import RunLabels
from codencer.model.step import FrozenSettings, Step, StepState
from codencer.model.task import SourceKind

Open = Callable[..., Any]

NEVER_ENOUGH_MB = str(2**24)


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo({"code.txt": "broken\n"})


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Agents of `guests` end once this file is there, which they see outside of a sandbox only."""
    return tmp_path / "gate"


@pytest.fixture
def open_gate(gate: Path) -> Callable[[], None]:
    return gate.touch


@pytest.fixture
def guests(
    repo: Path, gate: Path, write_agent: Callable[[str, str], list[str]]
) -> Callable[[str], dict[str, Any]]:
    """Keys of a task for one of two agents, `one` and `two`, that work until the gate opens."""
    source = (
        "import pathlib, time\n"
        "deadline = time.monotonic() + 30\n"
        f"while not pathlib.Path({str(gate)!r}).exists() and time.monotonic() < deadline:\n"
        "    time.sleep(0.02)\n"
    )
    folder = repo / ".codencer"
    folder.mkdir()
    argv = json.dumps(write_agent("guest", source))
    tables = (f"[adapters.{name}]\ncommand = {argv}\n" for name in ("one", "two"))
    (folder / "config.toml").write_text("\n".join(tables))
    return lambda name: {"is_simulation": False, "adapter_profile": name}


async def waiting(house: Any, step: Step) -> str | None:
    reason: str | None = house.engine.waiting_reason(await house.engine.get_step(step.id))
    return reason


async def begun(house: Any, count: int) -> list[str]:
    """Step ids in the order in which their attempts began, once so many have."""
    found = []
    async for event in house.engine.events():
        if event.kind == "attempt.started":
            found.append(event.step_id)
            if len(found) == count:
                break
    return found


async def test_limits_per_adapter_and_per_run_hold_and_waiting_steps_say_so(
    repo: Path, open_engine: Open, guests: Callable[[str], dict[str, Any]], open_gate: Callable[[], None]
) -> None:
    async with open_engine(repo, max_parallel="overall=3,per_adapter=2,per_run=2", sandbox="none") as house:
        first, second = [await house.submit(f"{n}", **guests("one")) for n in range(2)]
        same_run = await house.submit("same run", **guests("two"))
        other_run = await house.submit("other run", run="other", **guests("one"))
        free = await house.submit("free", run="third", **guests("two"))
        last = await house.submit("last", run="third", **guests("two"))
        assert await begun(house, 3) == [first.id, second.id, free.id]
        assert await waiting(house, same_run) == "3 of 3 attempts under way"
        assert await waiting(house, other_run) == "queued behind 1; 3 of 3 attempts under way"
        assert await waiting(house, last) == "queued behind 2; 3 of 3 attempts under way"
        await house.engine.cancel(free.id, "test")
        await house.settled(free)
        # Run and adapter one are full; only the third run's next is let in.
        assert (await begun(house, 4))[3] == last.id
        await house.engine.cancel(last.id, "test")
        await house.settled(last)
        await until(house, same_run, "its run run has 2 of 2 attempts under way")
        assert await waiting(house, other_run) == (
            "queued behind 1; its adapter one has 2 of 2 attempts under way"
        )
        open_gate()
        for step in (first, second, same_run, other_run):
            assert (await house.settled(step)).state is StepState.COMPLETED


async def test_a_priority_is_kept_across_a_restart_and_a_retry(
    repo: Path, open_engine: Open, guests: Callable[[str], dict[str, Any]], open_gate: Callable[[], None]
) -> None:
    async with open_engine(repo, max_parallel="1", sandbox="none") as house:
        busy = await house.submit("busy", **guests("one"))
        low = await house.submit("simulate: say low", run="low")
        high = await submit(house, "simulate: say high", run="high", priority=5)
        retried = await submit(house, "simulate: say again", run="top", priority=7)
        await house.engine.cancel(retried.id, "test")
        again = await house.engine.retry(retried.id, "test")
        assert await waiting(house, low) == "queued behind 2; 1 of 1 attempts under way"
        assert (again.frozen.priority, await waiting(house, again)) == (7, "1 of 1 attempts under way")
    async with open_engine(repo, max_parallel="1", sandbox="none") as house:
        assert await waiting(house, low) == "queued behind 2; 1 of 1 attempts under way"
        open_gate()
        assert await begun(house, 4) == [busy.id, retried.id, high.id, low.id]
        for step in (low, high, retried):
            assert (await house.settled(step)).state is StepState.COMPLETED


@pytest.mark.parametrize("priority", [1001, -1001, 2**40])
async def test_a_priority_out_of_range_is_refused(repo: Path, open_engine: Open, priority: int) -> None:
    async with open_engine(repo) as house:
        with pytest.raises(InvalidInput, match="priority"):
            await submit(house, "simulate: say no", run="r", priority=priority)


async def test_without_enough_memory_nothing_new_begins_and_what_runs_goes_on(
    repo: Path, open_engine: Open, guests: Callable[[str], dict[str, Any]], open_gate: Callable[[], None]
) -> None:
    async with open_engine(repo, sandbox="none") as house:
        running = await house.submit("running", **guests("one"))
        await house.reached(running, "agent.started")
    async with open_engine(repo, memory_floor_mb=NEVER_ENOUGH_MB) as house:
        held = await house.submit("simulate: say held", run="other")
        behind = await house.submit("simulate: say behind", run="other")
        open_gate()
        assert (await house.settled(running)).state is StepState.COMPLETED
        await until(house, held, "waiting for memory: ")
        reason = await waiting(house, held)
        assert reason is not None
        assert reason.endswith(f" MiB available, {NEVER_ENOUGH_MB} wanted")
        assert await waiting(house, behind) == "queued behind 1"
        assert (await house.engine.get_step(held.id)).attempts == 0
        assert (await house.engine.cancel(behind.id, "test")).state is StepState.CANCELLED
    async with open_engine(repo) as house:
        assert (await house.settled(held)).state is StepState.COMPLETED


async def until(house: Any, step: Step, start: str) -> None:
    """Ask until a step's reason begins like this: no event tells when it changes."""
    for _ in range(10_000):
        if (await waiting(house, step) or "").startswith(start):
            return
    raise AssertionError(f"it still says {await waiting(house, step)}")


async def test_a_paused_run_stays_paused_across_a_restart(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        await house.engine.start_run("run", RunLabels(), "test")
        first = await house.run_to_end("simulate: say first")
        await house.engine.change_run("run", "pause", "test")
        held = await house.submit("simulate: say held")
        assert await waiting(house, held) == "run run is paused"
    async with open_engine(repo) as house:
        later = await house.submit("simulate: say later")
        other = await house.run_to_end("simulate: say other", run="other")
        assert (first.state, other.state) == (StepState.COMPLETED, StepState.COMPLETED)
        assert [await waiting(house, step) for step in (held, later)] == ["run run is paused"] * 2
        assert (await house.engine.get_step(held.id)).attempts == 0
        await house.engine.change_run("run", "resume", "test")
        assert (await house.settled(held)).state is StepState.COMPLETED
        assert (await house.settled(later)).state is StepState.COMPLETED
        assert await waiting(house, held) is None


async def submit(house: Any, goal: str, run: str, priority: int) -> Step:
    await house.engine.start_run(run, RunLabels(), "test")
    submission = Submission(
        source_kind=SourceKind.API,
        text=goal,
        overrides={"is_simulation": True},
        cwd=str(house.top),
        priority=priority,
    )
    step: Step = await house.engine.submit(run, submission, "test")
    return step


def test_a_step_of_an_earlier_version_has_no_priority() -> None:
    assert decode(FrozenSettings, {"checkout": "/", "adapter": {"name": "x"}}).priority == 0
