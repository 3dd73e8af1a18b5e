"""A landing is recorded before it begins and when it is over, and happens once however often it is asked."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.errors import Conflict, LandingCutOff
from codencer.model.event import EventKind

Open = Callable[..., Any]
LANDINGS = (EventKind.STEP_LANDING, EventKind.STEP_LANDED, EventKind.STEP_LANDING_UNDONE)


def git(top: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=top, capture_output=True, text=True, check=True).stdout.strip()


async def land(house: Any, step: Any, form: str = "commit", target: str | None = None) -> Any:
    checkout = str(house.top)
    return await house.engine.land(step.id, "t", form=form, target=target, checkout=checkout, force=False)


async def recorded(house: Any, step: Any) -> list[str]:
    """The kinds of all events about landings so far."""
    found = []
    async for event in house.engine.events(step=step.id):
        if event.kind in LANDINGS:
            found.append(event.kind.value)
        if event.kind is EventKind.STEP_RETRIED:
            return found
    raise AssertionError("the engine closed")


async def everything_recorded(house: Any, step: Any) -> list[str]:
    await house.engine.retry(step.id, "t", force=True)
    return await recorded(house, step)


async def test_asked_for_twice_at_once_it_happens_once(
    make_repo: Callable[..., Path], open_engine: Open
) -> None:
    repo = make_repo({"code.txt": "broken\n"})
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write code.txt fixed")
        assert (await land(house, step, "branch", "side")).already is False
        assert (await land(house, step, "branch", "side")).already is True
        with pytest.raises(Conflict, match="exists already"):
            await land(house, step, "branch", "main")
        first, second = await asyncio.gather(land(house, step), land(house, step))
        assert (first.commit, first.files) == (second.commit, second.files)
        assert [first.already, second.already] == [False, True]
        assert git(repo, "rev-list", "--count", "HEAD") == "2"
        assert await everything_recorded(house, step) == ["step.landing", "step.landed"] * 2


async def test_what_can_be_neither_finished_nor_undone_is_told_and_tried_again(
    make_repo: Callable[..., Path], open_engine: Open
) -> None:
    """The user's own filter puts something in the place of the index while the files are written."""
    repo = make_repo({"code.txt": "broken\n"})
    index, aside = repo / ".git" / "index", repo / ".git" / "aside"
    git(repo, "config", "filter.rude.smudge", f"cat; mv {index} {aside} && mkdir {index}")
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write .gitattributes *.q filter=rude\nsimulate: write x.q x")
        for _ in range(2):
            with pytest.raises(LandingCutOff, match="could not be put in place"):
                await land(house, step)
            (problem,) = (await house.engine.health())["problems"]
            assert step.id in problem
        index.rmdir()
        aside.rename(index)
        landed = await land(house, step)
        assert (landed.already, landed.commit) == (True, git(repo, "rev-parse", "HEAD"))
        assert git(repo, "status", "--porcelain") == ""
        assert (await house.engine.health())["status"] == "ok"
        assert await everything_recorded(house, step) == ["step.landing", "step.landed"]
