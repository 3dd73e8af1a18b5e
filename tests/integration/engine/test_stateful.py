"""A property: whatever is asked in whatever order, and however often the engine breaks off, the steps
are what a plain model of the lifecycle says, and no agent is started twice in an attempt.

Breaking off means that everything the engine was doing is cancelled wherever it stands; agents go on.
"""

import asyncio
import itertools
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    multiple,
    rule,
    run_state_machine_as_test,
)

from codencer.engine import Submission
from codencer.engine.layout import snapshot_ref
from codencer.errors import Conflict
from codencer.ledger import verify
from codencer.model.attempt import Attempt, AttemptState
from codencer.model.run import Run, RunLabels, RunState
from codencer.model.step import SUCCESSFUL_STATES, Step, StepState
from codencer.model.task import SourceKind

T = TypeVar("T")
Open = Callable[..., Any]

RUNS = ("a", "b")
SECONDS = 30
MOST_HANGING = 3
"""Agents that only end when they are cancelled; fewer than may run at the same time."""
CHECK = {"name": "check", "command": "grep -q fixed code.txt"}
AGAIN = """
version: v1
name: again
retry_when: {adapter_process_failed: true, max_attempts: 2}
continue_when: {}
"""
KINDS: dict[str, tuple[str, dict[str, object], StepState]] = {
    "fix": ("simulate: write code.txt fixed", {"validations": [CHECK]}, StepState.COMPLETED),
    "claim": ("simulate: write claim.txt fixed", {"validations": [CHECK]}, StepState.FAILED_VALIDATION),
    "crash": ("simulate: write half.txt x\nsimulate: crash", {}, StepState.FAILED_ADAPTER),
    "stray": ("simulate: write code.txt x", {"allowed_paths": ["docs/**"]}, StepState.NEEDS_APPROVAL),
    "again": (
        "simulate: write half.txt x\nsimulate: fail",
        {"policy_bundle": "again"},
        StepState.FAILED_ADAPTER,
    ),
    "rest": (
        "simulate: session talk\nsimulate: quota 0.05\nsimulate: write code.txt fixed",
        {"validations": [CHECK]},
        StepState.COMPLETED,
    ),
    "hang": ("simulate: write half.txt x\nsimulate: hang", {}, StepState.CANCELLED),
}


@dataclass
class Told:
    """What the planner knows of a step it submitted; `seen` is the settled state it was shown."""

    run: str
    kind: str
    revision: int = 0
    cancelled: bool = False
    seen: StepState | None = None

    @property
    def hangs(self) -> bool:
        return self.kind == "hang" and not self.cancelled

    def may_be(self) -> set[StepState]:
        return {KINDS[self.kind][2]} | ({StepState.CANCELLED} if self.cancelled else set())


class Life:
    """One life of the engine, with an event loop of its own, as a process has."""

    def __init__(self, opened: Callable[[], Any]) -> None:
        self._runner = asyncio.Runner()
        self._closing = asyncio.Event()
        self.house: Any = None
        self._runner.run(self._begin(opened))

    async def _begin(self, opened: Callable[[], Any]) -> None:
        ready = asyncio.get_running_loop().create_future()

        async def hold() -> None:
            async with opened() as house:
                ready.set_result(house)
                await self._closing.wait()

        self._holding = asyncio.create_task(hold())
        await asyncio.wait({ready, self._holding}, return_when=asyncio.FIRST_COMPLETED)
        self.house = ready.result() if ready.done() else self._holding.result()

    def do(self, work: Callable[[Any], Awaitable[T]], seconds: float = SECONDS) -> T:
        """Let the engine go on while this is done."""
        return self._runner.run(asyncio.wait_for(work(self.house), seconds))

    def close(self) -> None:
        self._closing.set()

        async def closed(_: Any) -> None:
            await self._holding

        self.do(closed)
        self._runner.close()

    def break_off(self) -> None:
        self._runner.close()


class Lifecycle(RuleBasedStateMachine):
    """Drives an engine and the model; both must agree on what is allowed and on what comes of it."""

    steps = Bundle("steps")

    def __init__(self, top: Path, open_engine: Callable[..., Any]) -> None:
        super().__init__()
        self.top, self.counter = top, top.with_suffix(".starts")
        self.opened = lambda: open_engine(top, max_parallel="6")
        self.life = Life(self.opened)
        self.told: dict[str, Told] = {}
        self.aborted: set[str] = set()
        self.seq = 0
        for run in RUNS:
            self.life.do(lambda house, run=run: house.engine.start_run(run, RunLabels(), "test"))  # type: ignore[misc]

    def attempted(self, work: Callable[[Any], Awaitable[T]], *, allowed: bool | None) -> T | None:
        """Ask for a change; None when it was refused. `allowed` is None where only time can tell."""
        try:
            answer = self.life.do(lambda house: work(house.engine))
        except Conflict:
            assert allowed is not True
            return None
        assert allowed is not False
        return answer

    def look(self, step: str) -> Step:
        """A step as it is shown; it may only be what the model says."""
        found: Step = self.life.do(lambda house: house.engine.get_step(step))
        told = self.told[step]
        assert found.revision == told.revision
        assert not found.settled or found.state in told.may_be(), (told, found.state, found.summary)
        assert told.seen in (None, found.state), "a settled step moved by itself"
        told.seen = found.state if found.settled else None
        return found

    def hanging(self) -> int:
        return sum(told.hangs for told in self.told.values())

    @rule(target=steps, run=st.sampled_from(RUNS), kind=st.sampled_from(sorted(KINDS)))
    def submit(self, run: str, kind: str) -> MultipleResults[str]:
        if kind == "hang" and self.hanging() >= MOST_HANGING:
            kind = "fix"
        goal, more, _ = KINDS[kind]
        submission = Submission(
            source_kind=SourceKind.API,
            text=f"simulate: run echo $CODENCER_LAUNCH >> {self.counter}\n{goal}",
            overrides={"is_simulation": True, **more},
            cwd=str(self.top),
        )
        asked = self.attempted(
            lambda engine: engine.submit(run, submission, "test"), allowed=run not in self.aborted
        )
        if asked is None:
            return multiple()
        self.told[asked.id] = Told(run, kind)
        return multiple(asked.id)

    @rule(step=steps)
    def cancel(self, step: str) -> None:
        allowed = False if self.look(step).settled else None
        if self.attempted(lambda engine: engine.cancel(step, "test"), allowed=allowed) is None:
            assert self.look(step).settled
        else:
            self.told[step].cancelled = True

    @rule(step=steps, force=st.booleans())
    def retry(self, step: str, force: bool) -> None:
        told, shown = self.told[step], self.look(step)
        if told.kind == "hang" and self.hanging() >= MOST_HANGING:
            return
        refused = told.run in self.aborted or (shown.state in SUCCESSFUL_STATES and not force)
        allowed = False if refused else True if shown.settled else None
        if self.attempted(lambda engine: engine.retry(step, "test", force=force), allowed=allowed):
            told.revision, told.cancelled, told.seen = told.revision + 1, False, None

    @rule(run=st.sampled_from(RUNS))
    def abort(self, run: str) -> None:
        mine = {step: self.look(step) for step, told in self.told.items() if told.run == run}
        asked = self.attempted(
            lambda engine: engine.change_run(run, "abort", "test"), allowed=run not in self.aborted
        )
        if asked is None:
            return
        self.aborted.add(run)
        for step, shown in mine.items():
            if not shown.settled or shown.state is StepState.NEEDS_APPROVAL:
                self.told[step].cancelled, self.told[step].seen = True, None

    @rule(step=steps)
    def wait(self, step: str) -> None:
        self.settle(step)

    def settle(self, step: str) -> None:
        if self.told[step].hangs:
            return
        shown = self.look(step)
        self.life.do(lambda house: house.settled(shown))
        assert self.look(step).settled

    @rule(events=st.integers(1, 8))
    def go_on(self, events: int) -> None:
        """Let it come some events further, so that it breaks off in many places."""

        async def further(house: Any) -> None:
            async with aclosing(house.engine.events(after=self.seq)) as stream:
                async for event in stream:
                    self.seq = event.seq
                    nonlocal events
                    events -= 1
                    if not events:
                        return

        with suppress(TimeoutError):  # nothing happens any more
            self.life.do(further, seconds=0.2)

    @rule()
    def restart(self) -> None:
        self.life.close()
        self.life = Life(self.opened)

    @rule()
    def break_off(self) -> None:
        self.life.break_off()
        self.life = Life(self.opened)

    def teardown(self) -> None:
        try:
            for step, told in self.told.items():
                if told.hangs:
                    self.cancel(step)
            for step in self.told:
                self.settle(step)
            attempts = [each for step in self.told for each in self.attempts(step)]
            runs: list[Run] = self.life.do(lambda house: house.engine.list_runs())
        finally:
            self.life.close()
        assert {run.id for run in runs if run.state is RunState.CANCELLED} == self.aborted
        assert sum(run.steps_total for run in runs) == len(self.told)
        assert all(attempt.state is AttemptState.ENDED for attempt in attempts)
        common = self.top / ".git"
        for attempt in attempts:
            if attempt.snapshot is not None:
                ref = subprocess.check_output(
                    ["git", "rev-parse", snapshot_ref(attempt.id)], cwd=self.top, text=True
                )
                assert ref.strip() == attempt.snapshot.commit
        self.no_agent_began_twice({attempt.id for attempt in attempts})
        report = verify(common / "codencer" / "codencer.db")
        assert report.ok, report

    def attempts(self, step: str) -> list[Attempt]:
        found: list[Attempt] = self.life.do(lambda house: house.engine.attempts(step))
        tries = 2 if self.told[step].kind == "again" else 1
        assert len(found) <= tries * (self.told[step].revision + 1)
        return found

    def no_agent_began_twice(self, known: set[str]) -> None:
        lines = self.counter.read_text().split() if self.counter.exists() else []
        began = Counter(line.split("/")[1] for line in lines)
        assert began.keys() <= known
        assert all(count == 1 for count in began.values()), began
        left = [path for path in Path("/proc").glob("[0-9]*/environ") if _carries(path, known)]
        assert left == []


def _carries(environ: Path, attempts: set[str]) -> bool:
    try:
        content = environ.read_bytes()
    except OSError:
        return False
    return b"CODENCER_LAUNCH=" in content and any(attempt.encode() in content for attempt in attempts)


def test_the_steps_are_what_the_model_says(make_repo: Callable[..., Path], open_engine: Open) -> None:
    number = itertools.count()
    files = {"code.txt": "broken\n", ".codencer/policies/again.yaml": AGAIN}

    def machine() -> Lifecycle:
        return Lifecycle(make_repo(files, name=f"repo-{next(number)}"), open_engine)

    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # a factory will do
        settings=settings(
            max_examples=10,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
