"""Second stage: start the agent at most once, wait for it, and read what it said.

The intent is durable before the supervisor exists. Re-entered, the stage looks at the
launch folder: a live agent is waited for, an ended one is read, and only a launch that is
proven never to have begun (its tombstone was ours) is started, in a folder of its own.
"""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from codencer.adapters import load
from codencer.adapters.prompt import build_prompt
from codencer.engine.environment import for_agent
from codencer.engine.launching import marker_of, never_began, watch
from codencer.engine.rooms import Trip
from codencer.errors import CodencerError, LaunchFailed
from codencer.model.attempt import AgentOutcome, AttemptState, Ending, ErrorKind
from codencer.model.codec import encode
from codencer.model.event import EventKind
from codencer.model.launch import ExitRecord, Limits
from codencer.model.ports import Adapter, Assignment
from codencer.model.step import StepState
from codencer.process.launches import Order

CHUNK_BYTES = 256 * 1024
TRANSCRIPT_BYTES = 16 * 1024 * 1024
"""Nobody reads more; the raw output is kept whole."""
LARGEST_FRAGMENT_BYTES = 1024 * 1024
_NOT_WANTED = AgentOutcome(ending=Ending.CANCELLED, summary="cancelled before the agent was started")


async def run_agent(trip: Trip) -> None:
    """Bring the agent to its end and record how that was."""
    if trip.attempt.outcome is not None:
        return
    began = time.monotonic_ns()
    try:
        adapter = _adapter(trip)
        folder = await asyncio.to_thread(_standing_launch, trip)
        if folder is None and trip.cancelled:
            await _conclude(trip, None, _NOT_WANTED)
            return
        folder = folder or await _launch(trip, adapter)
    except LaunchRefused as refusal:
        await _conclude(trip, None, _broken(f"the agent could not be started: {refusal.__cause__}"))
        return
    await _note_start(trip, folder)
    record = await watch(trip, folder, marker_of(trip, folder))
    trip.timings["run"] = (time.monotonic_ns() - began) // 1_000_000
    outcome = await asyncio.to_thread(_read, trip, adapter, folder, record)
    if trip.cancelled:
        outcome = replace(outcome, ending=Ending.CANCELLED, summary="cancelled while the agent was running")
    await _conclude(trip, record, outcome)


def _adapter(trip: Trip) -> Adapter:
    frozen = trip.step.frozen
    try:
        return load(trip.attempt.adapter, frozen.adapter, checkout=Path(frozen.checkout))
    except CodencerError as problem:
        raise LaunchRefused from problem


class LaunchRefused(Exception):
    """The agent cannot be started; the cause says why. Never raised for the ledger's own faults."""


def _standing_launch(trip: Trip) -> Path | None:
    """The launch that may have begun already; None once it is certain that none ever will."""
    attempt, launcher = trip.attempt, trip.rooms.launcher
    if attempt.launch is None:
        return None
    folder = trip.rooms.layout.launch(attempt.id, attempt.launch)
    return None if never_began(launcher, folder) else folder


async def _launch(trip: Trip, adapter: Adapter) -> Path:
    attempt = trip.attempt
    number = 1 if attempt.launch is None else 1 + int(attempt.launch.rpartition("-")[2])
    name = f"agent-{number}"
    try:
        version, order = await asyncio.to_thread(_probe_and_order, trip, adapter, name)
    except (CodencerError, OSError) as problem:
        raise LaunchRefused from problem
    body = {"launch": name, "adapter_version": version, "trust_level": "plain"}
    await trip.record((EventKind.AGENT_LAUNCHING, body))
    folder = trip.rooms.layout.launch(attempt.id, name)
    try:
        await asyncio.to_thread(trip.rooms.launcher.start, folder, order)
    except (CodencerError, OSError) as problem:
        raise LaunchRefused from problem
    return folder


def _probe_and_order(trip: Trip, adapter: Adapter, name: str) -> tuple[str, Order]:
    probe = adapter.probe()
    if not probe.installed:
        raise LaunchFailed(probe.problem)
    return probe.version, _order(trip, adapter, name)


def _order(trip: Trip, adapter: Adapter, name: str) -> Order:
    layout, step, attempt = trip.rooms.layout, trip.step, trip.attempt
    exchange = layout.exchange(attempt.id)
    exchange.mkdir(parents=True, exist_ok=True, mode=0o700)
    assignment = Assignment(
        task=step.task,
        prompt=build_prompt(step.task, attempt.feedback),
        workspace=layout.workspace(attempt.id),
        task_file=exchange / "task.json",
        prompt_file=exchange / "prompt.txt",
        result_file=exchange / "result.json",
    )
    assignment.task_file.write_text(json.dumps(encode(step.task), indent=2), encoding="utf-8")
    assignment.prompt_file.write_text(assignment.prompt, encoding="utf-8")
    launch = adapter.launch(assignment)
    config = trip.rooms.config
    env = for_agent(trip.rooms.environ, config.private_environment(), launch.env_names)
    env |= launch.env
    env |= {
        "CODENCER_TASK_FILE": os.fspath(assignment.task_file),
        "CODENCER_RESULT_FILE": os.fspath(assignment.result_file),
    }
    return Order(
        launch=launch,
        limits=Limits(
            wall_seconds=step.task.timeout_seconds,
            idle_seconds=step.task.idle_timeout_seconds,
            output_bytes=step.frozen.max_output_bytes,
            grace_seconds=step.frozen.grace_seconds,
        ),
        cwd=assignment.workspace,
        env=env,
        marker=marker_of(trip, layout.launch(attempt.id, name)),
    )


async def _note_start(trip: Trip, folder: Path) -> None:
    """Record that the agent runs, unless it is recorded or never came to it."""
    if trip.attempt.state is not AttemptState.PREPARING:
        return
    pid = await trip.rooms.launcher.started(folder)
    if pid is not None:
        moved = trip.moved(AttemptState.RUNNING, StepState.RUNNING)
        await trip.record((EventKind.AGENT_STARTED, {"pid": pid, **moved}))


def _read(trip: Trip, adapter: Adapter, folder: Path, record: ExitRecord | None) -> AgentOutcome:
    """Parse the agent's whole output, a piece at a time, and keep the transcript beside it."""
    parser = adapter.parser()
    left = TRANSCRIPT_BYTES
    exchange = trip.rooms.layout.exchange(trip.attempt.id)
    with (exchange / "transcript.jsonl").open("w", encoding="utf-8") as transcript:
        # The closing newline ends a last line that the agent left open.
        for data in chain(_chunks(folder / "stdout"), (b"\n",)):
            for event in parser.feed(data):
                if left > 0:
                    left -= transcript.write(json.dumps(encode(event)) + "\n")
    return parser.finish(record, _fragment(exchange / "result.json"))


def _chunks(path: Path) -> Iterator[bytes]:
    if not path.exists():  # an agent that never started has printed nothing
        return
    with path.open("rb") as file:
        while data := file.read(CHUNK_BYTES):
            yield data


def _fragment(path: Path) -> bytes | None:
    """The agent's own words about its result. The path is the agent's to write: trust nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(LARGEST_FRAGMENT_BYTES + 1)


def _broken(problem: str) -> AgentOutcome:
    return AgentOutcome(ending=Ending.BROKEN, summary=problem, error=problem, error_kind=ErrorKind.CRASH)


async def _conclude(trip: Trip, record: ExitRecord | None, outcome: AgentOutcome) -> None:
    moved = trip.moved(AttemptState.COLLECTING, StepState.COLLECTING_ARTIFACTS)
    await trip.record((EventKind.AGENT_EXITED, {"exit": record, "outcome": outcome, **moved}))
