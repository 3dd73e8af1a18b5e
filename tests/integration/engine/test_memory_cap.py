"""A process tree that uses more memory than it may is stopped, and that is what its record says."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.model.attempt import ErrorKind
from codencer.model.launch import ExitReason
from codencer.model.step import StepState
from codencer.model.validation import ValidationState

Open = Callable[..., Any]

EATER = """
import pathlib, subprocess, sys, time
pathlib.Path("half.txt").write_text("half")
deadline = time.monotonic() + 30
while not pathlib.Path(GATE).exists() and time.monotonic() < deadline:
    time.sleep(0.02)
eat = "import time; held = b'x' * (150 << 20); time.sleep(60)"
tools = [subprocess.Popen([sys.executable, "-c", eat], start_new_session=True) for _ in range(2)]
time.sleep(60)
"""


def alive(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo({"code.txt": "broken\n"})


@pytest.fixture
def open_gate(tmp_path: Path) -> Callable[[], None]:
    return (tmp_path / "gate").touch


@pytest.fixture
def eater(repo: Path, tmp_path: Path, write_agent: Callable[[str, str], list[str]]) -> dict[str, Any]:
    """Keys of a task for an agent whose tools take 150 MiB each once the gate is open."""
    argv = write_agent("eater", EATER.replace("GATE", repr(str(tmp_path / "gate"))))
    (repo / ".codencer").mkdir()
    (repo / ".codencer/config.toml").write_text(f"[adapters.eater]\ncommand = {json.dumps(argv)}\n")
    return {"is_simulation": False, "adapter_profile": "eater"}


async def test_the_whole_tree_counts_and_an_adopted_one_too(
    repo: Path, open_engine: Open, eater: dict[str, Any], open_gate: Callable[[], None]
) -> None:
    async with open_engine(repo, memory_cap_mb="200", sandbox="none") as house:
        step = await house.submit("eat", **eater)
        await house.reached(step, "agent.started")
    open_gate()
    async with open_engine(repo, sandbox="none") as house:
        ended = await house.settled(step)
        [attempt] = await house.engine.attempts(step.id)
        result = await house.engine.result(step.id)
    assert ended.state is StepState.FAILED_ADAPTER
    assert attempt.exit is not None
    assert attempt.exit.reason is ExitReason.MEMORY_LIMIT
    assert attempt.exit.error.endswith("MiB, more than memory_cap_mb = 200 allows")
    assert attempt.outcome is not None
    assert attempt.outcome.error_kind is ErrorKind.LIMIT
    assert "memory_cap_mb" in ended.summary
    assert [each.path for each in result.files_changed] == ["half.txt"]
    assert len(attempt.exit.killed) == 2
    assert [note for note in attempt.exit.killed if alive(note.pid)] == []


async def test_one_that_stays_below_is_left_alone(
    repo: Path, open_engine: Open, eater: dict[str, Any], open_gate: Callable[[], None]
) -> None:
    async with open_engine(repo, memory_cap_mb="2000") as house:
        step = await house.submit("eat", **eater, timeout_seconds=2)
        open_gate()
        ended = await house.settled(step)
    assert ended.state is StepState.TIMEOUT


async def test_a_validation_over_the_cap_gives_no_verdict(repo: Path, open_engine: Open) -> None:
    check = {
        "name": "eats",
        "command": ["python3", "-c", "import time; x = b'x' * (150 << 20); time.sleep(60)"],
    }
    async with open_engine(repo, memory_cap_mb="100") as house:
        step = await house.run_to_end("simulate: write code.txt fixed", validations=[check])
        [validation] = await house.engine.validations(step.id)
    assert step.state is StepState.FAILED_VALIDATION
    assert validation.state is ValidationState.ERRORED
    assert "more than memory_cap_mb = 100 allows" in (validation.error or "")


async def test_who_cancels_is_told_so(repo: Path, open_engine: Open, eater: dict[str, Any]) -> None:
    async with open_engine(repo, memory_cap_mb="200") as house:
        step = await house.submit("eat", **eater)
        await house.reached(step, "agent.started")
        await house.engine.cancel(step.id, "test")
        assert (await asyncio.wait_for(house.settled(step), 20)).state is StepState.CANCELLED
