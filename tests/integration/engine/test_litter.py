"""Files that an agent drops for itself are not its work, in any look at it; what the base has of them is."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.model.step import StepState

Open = Callable[..., Any]

CACHE = ".aider.tags.cache.v4"
STAND_IN = f"""#!/bin/sh
mkdir -p {CACHE} docs/{CACHE}
echo map > {CACHE}/cache.db
echo mine > docs/{CACHE}/note
echo fixed > code.txt
test ! -p "$HOME/wait" || read answer < "$HOME/wait"
echo 'Tokens: 1.2k sent, 56 received.'
"""
"""Does what aider does to a workspace, and says what aider says of it."""
NO_CACHE = {"name": "none", "command": f"test ! -e {CACHE}/cache.db"}


@pytest.fixture
def aider(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for aider, signed in."""
    program = home / "aider"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("AIDER_BINARY", str(program))
    monkeypatch.setenv("OPENAI_API_KEY", "none")


async def submit(house: Any, **task: Any) -> Any:
    return await house.submit("mend it", is_simulation=False, adapter_profile="aider", **task)


async def paths(house: Any, step: Any) -> list[str]:
    return [change.path for change in (await house.engine.result(step.id)).files_changed]


def files_of(repo: Path, commit: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", commit], cwd=repo, capture_output=True, text=True, check=True
    )
    return listed.stdout.split()


async def test_litter_is_no_work_and_stands_before_no_validation(
    make_repo: Callable[..., Path], open_engine: Open, aider: None
) -> None:
    async with open_engine(make_repo({"code.txt": "broken\n"})) as house:
        step = await house.settled(await submit(house, validations=[NO_CACHE]))
        found = await paths(house, step)
        artifacts = {each.name: each for each in await house.engine.artifacts(step.id)}
        _, path = await house.engine.artifact(artifacts["environment.json"].id)
        environment = json.loads(path.read_bytes())
    assert step.state is StepState.COMPLETED
    assert found == ["code.txt", f"docs/{CACHE}/note"], "it drops its own at the root alone"
    assert environment["agent"]["litter"] == ["/.aider.tags.cache.v*/"]


async def test_what_the_base_tracks_counts(
    make_repo: Callable[..., Path], open_engine: Open, aider: None
) -> None:
    repo = make_repo({"code.txt": "broken\n", f"{CACHE}/cache.db": "old\n"})
    async with open_engine(repo) as house:
        step = await house.settled(await submit(house))
        assert f"{CACHE}/cache.db" in await paths(house, step)


async def test_a_live_look_and_another_daemon_leave_out_the_same(
    make_repo: Callable[..., Path], open_engine: Open, aider: None, home: Path
) -> None:
    os.mkfifo(home / "wait")
    repo = make_repo({"code.txt": "broken\n"})
    async with open_engine(repo, sandbox="none") as house:
        step = await submit(house)
        await house.reached(step, "agent.started")
        # Opening for writing returns when the stand-in, all its files made, has opened it for reading.
        gate = await asyncio.to_thread((home / "wait").open, "w")
        live = await house.engine.live(await house.engine.get_step(step.id))
    assert live.files_changed == 2
    async with open_engine(repo, sandbox="none") as house:
        with gate:
            gate.write("go on\n")
        assert (await house.settled(step)).state is StepState.COMPLETED
        assert await paths(house, step) == ["code.txt", f"docs/{CACHE}/note"]
        commit = (await house.engine.result(step.id)).snapshot_commit
    assert files_of(repo, commit) == ["code.txt", f"docs/{CACHE}/note"]
