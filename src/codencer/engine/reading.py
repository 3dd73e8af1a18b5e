"""Everything the faces read about a step: result, evidence, diff, logs, whereabouts."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from codencer.engine.addresses import identifier, step_address
from codencer.engine.landing import newest_snapshot
from codencer.engine.result import Findings, build_result, read_changes
from codencer.engine.retrying import earlier
from codencer.engine.rooms import Rooms, the_attempt, the_step
from codencer.engine.validate import not_run
from codencer.errors import NotFound
from codencer.ledger import Queries
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt
from codencer.model.gate import GateState
from codencer.model.ids import IdKind
from codencer.model.result import ResultSpec
from codencer.model.step import Step
from codencer.model.validation import ValidationResult
from codencer.workspace import diff


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """Where a step's files are: the workspace while it exists, and how to get them afterwards."""

    workspace: str | None
    snapshot_commit: str | None
    hint: str


@dataclass(frozen=True, kw_only=True)
class LogFile:
    """`growing` is true while the agent may still write to it."""

    path: Path
    growing: bool


def find_step(queries: Queries, address: str) -> Step:
    return the_step(queries, step_address(queries, address))


def _newest(queries: Queries, step: Step) -> Attempt | None:
    return the_attempt(queries, step.latest_attempt_id) if step.latest_attempt_id else None


def step_validations(queries: Queries, step: Step) -> list[ValidationResult]:
    """One result for each validation of the task, in its order, run or not."""
    attempt = _newest(queries, step)
    done = queries.validations(attempt.id) if attempt else []
    return done + [not_run(spec) for spec in step.task.validations[len(done) :]]


def step_artifacts(queries: Queries, step: Step) -> list[Artifact]:
    attempt = _newest(queries, step)
    return queries.artifacts(attempt.id) if attempt else []


async def result(rooms: Rooms, address: str) -> ResultSpec:
    """The step's result as the ledger has it now."""

    def read(queries: Queries) -> tuple[Step, Attempt | None, Findings]:
        step = find_step(queries, address)
        gates = queries.gates(run_id=step.run_id, state=GateState.OPEN)
        attempt = _newest(queries, step)
        findings = Findings(
            results=step_validations(queries, step),
            artifacts=step_artifacts(queries, step),
            gate_id=next((gate.id for gate in gates if gate.step_id == step.id), None),
            before=earlier(queries.attempts(step.id), attempt) if attempt else (),
        )
        return step, attempt, findings

    step, attempt, found = await rooms.ledger.read(read)
    changes = await asyncio.to_thread(read_changes, rooms.artifacts, found.artifacts)
    return build_result(step, attempt, replace(found, changes=changes or ()))


async def artifact(rooms: Rooms, address: str) -> tuple[Artifact, Path]:
    """An artifact's record and its file."""

    def read(queries: Queries) -> Artifact:
        found = queries.artifact(identifier(queries, IdKind.ARTIFACT, address))
        if found is None:
            raise NotFound(f"there is no artifact {address!r}")
        return found

    record = await rooms.ledger.read(read)
    return record, await asyncio.to_thread(rooms.artifacts.path, record)


async def step_diff(rooms: Rooms, address: str, *, stat: bool) -> bytes:
    """The newest snapshot against the base, as a patch or as statistics."""

    def read(queries: Queries) -> tuple[Step, Attempt | None, list[Artifact]]:
        step = find_step(queries, address)
        attempts = queries.attempts(step.id)
        expired = (each for each in reversed(attempts) if each.snapshot is not None)
        attempt = newest_snapshot(attempts) or next(expired, None)
        return step, attempt, queries.artifacts(attempt.id) if attempt else []

    step, attempt, artifacts = await rooms.ledger.read(read)
    if attempt is None or attempt.snapshot is None or step.base.commit is None:
        raise NotFound(f"step {step.id} has no snapshot yet, so there is no diff")
    if stat and attempt.snapshot.expired:
        raise NotFound(f"the snapshot of step {step.id} has expired; without --stat its diff is still there")
    if stat:
        text = await asyncio.to_thread(diff.stat, rooms.store, step.base.commit, attempt.snapshot.tree)
        return text.encode()
    patch = next(each for each in artifacts if each.name == "diff.patch")
    return await asyncio.to_thread(rooms.artifacts.path(patch).read_bytes)


async def log_file(rooms: Rooms, address: str, *, stderr: bool) -> LogFile:
    """The agent's raw output, wherever it is at the moment."""
    name = "stderr" if stderr else "stdout"

    def read(queries: Queries) -> tuple[Step, Attempt | None, list[Artifact]]:
        step = find_step(queries, address)
        return step, _newest(queries, step), step_artifacts(queries, step)

    step, attempt, artifacts = await rooms.ledger.read(read)
    for record in artifacts:
        if record.name == f"{name}.log":
            return LogFile(path=rooms.artifacts.path(record), growing=False)
    if attempt is None or attempt.launch is None:
        raise NotFound(f"step {step.id} is {step.state}: no agent was started, so there is no log")
    path = rooms.layout.launch(attempt.id, attempt.launch) / name
    return LogFile(path=path, growing=attempt.outcome is None)


async def whereabouts(rooms: Rooms, address: str) -> Whereabouts:
    """Where the step's files can be looked at."""

    def read(queries: Queries) -> tuple[Step, Attempt | None, list[Attempt]]:
        step = find_step(queries, address)
        return step, _newest(queries, step), queries.attempts(step.id)

    step, attempt, attempts = await rooms.ledger.read(read)
    kept = newest_snapshot(attempts)
    commit = kept.snapshot.commit if kept and kept.snapshot else None
    if attempt and attempt.workspace and not attempt.released:
        return Whereabouts(workspace=attempt.workspace, snapshot_commit=commit, hint="the workspace is there")
    if commit is None:
        expired = any(each.snapshot for each in attempts)
        hint = f"step {step.id} is {step.state} and has neither a workspace nor a snapshot"
        hint += ": it has expired; `codencer step diff` still shows the changes" if expired else ""
    else:
        hint = f"git worktree add --detach ../{step.run_id}-{step.name} {commit}"
    return Whereabouts(workspace=None, snapshot_commit=commit, hint=hint)
