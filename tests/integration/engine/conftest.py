"""A whole engine on a real repository: ledger, git, supervisors and agents, without the faces."""

import os
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from codencer.config import load
from codencer.engine import Engine, Submission
from codencer.locate import find_repository
from codencer.model.run import RunLabels
from codencer.model.step import Step
from codencer.model.task import SourceKind

OpenEngine = Callable[..., AbstractAsyncContextManager["House"]]


class House:
    """An engine with the few calls every test makes."""

    def __init__(self, engine: Engine, top: Path) -> None:
        self.engine, self.top, self.trust = engine, top, True

    async def submit(self, goal: str, run: str = "run", **task: Any) -> Step:
        if not any(each.id == run for each in await self.engine.list_runs()):
            await self.engine.start_run(run, RunLabels(), "test")
        overrides: dict[str, object] = {"is_simulation": True, **task}
        submission = Submission(
            source_kind=SourceKind.API, text=goal, overrides=overrides, cwd=str(self.top), trust=self.trust
        )
        return await self.engine.submit(run, submission, "test")

    async def settled(self, step: Step) -> Step:
        """Wait, by event, until the step is settled and its workspace dealt with."""
        current = await self.engine.get_step(step.id)
        if current.settled:
            return current
        async for _ in self.engine.events(step=step.id):
            current = await self.engine.get_step(step.id)
            if current.settled:
                return current
        raise AssertionError("the engine closed before the step was settled")

    async def reached(self, step: Step, kind: str) -> None:
        """Wait, by event, until the step's record has an event of this kind."""
        async for event in self.engine.events(step=step.id):
            if event.kind == kind:
                return

    async def run_to_end(self, goal: str, run: str = "run", **task: Any) -> Step:
        return await self.settled(await self.submit(goal, run, **task))


@pytest.fixture
def open_engine() -> OpenEngine:
    """`async with open_engine(top, max_parallel="2") as house`: settings are flags."""

    @asynccontextmanager
    async def opened(top: Path, **flags: str) -> AsyncIterator[House]:
        given = {"grace_seconds": "1", "max_parallel": "4", **flags}
        config = load(find_repository(top), flags=given, environ=os.environ)
        async with Engine.running(config) as engine:
            yield House(engine, top)

    return opened


@pytest.fixture
def write_agent(tmp_path: Path) -> Callable[[str, str], list[str]]:
    """Make a Python program that serves as an agent; returns its argv."""

    def write(name: str, source: str) -> list[str]:
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return [sys.executable, str(path)]

    return write
