"""Commands on steps: submit, cancel, retry."""

import asyncio
import hashlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

from codencer import config as configuration
from codencer.engine import bases
from codencer.engine.addresses import run_address, step_address
from codencer.engine.admission import Waiting
from codencer.engine.intake.parse import parse
from codencer.engine.intake.submission import Submission
from codencer.engine.policies import find_policy
from codencer.engine.rooms import Rooms, the_step
from codencer.engine.runs import cancel_step, open_gates, refuse_finished, release_run, void_gate
from codencer.engine.selection import select_adapter
from codencer.engine.trust import require_trust
from codencer.errors import Conflict, InvalidInput
from codencer.ledger import Queries, Transaction
from codencer.locate import Repository, find_repository
from codencer.model.event import EventKind
from codencer.model.ids import IdKind, check_name, new_id
from codencer.model.lifecycle import advance
from codencer.model.run import RunLabels
from codencer.model.step import (
    SUCCESSFUL_STATES,
    AdapterSettings,
    Base,
    FrozenSettings,
    SandboxMode,
    ScopeWatch,
    Step,
    StepState,
)
from codencer.model.task import TaskSpec
from codencer.workspace.git import read_settings
from codencer.workspace.overlay import capture
from codencer.workspace.provision import read_provisioning

LONGEST_TITLE = 72
HIGHEST_PRIORITY = 1000


async def submit(rooms: Rooms, run: str, submission: Submission, actor: str) -> Step:
    """Take in one task; durable when it returns. The same idempotency key returns the same step.

    Raises:
        InvalidInput: the task, its base, adapter or policy. NotFound: the run.
        Conflict: the run is over, the step's name is taken, or the key was used for another task.
    """
    run_id = await rooms.ledger.read(lambda queries: _target(queries, run, submission))
    digest = _digest(submission)
    if known := await rooms.ledger.read(lambda queries: _known(queries, run_id, submission, digest)):
        return known
    task, provenance = await asyncio.to_thread(parse, submission, run_id)
    repository = await asyncio.to_thread(_caller, rooms, submission)
    adapter, policy, frozen = await asyncio.to_thread(_freeze, rooms, task, repository, submission)
    if task.step_id is not None:
        # Asked here too, before the base is pinned: a refusal leaves no ref behind.
        await rooms.ledger.read(lambda queries: _name(queries, run_id, task))
    step_id = new_id(IdKind.STEP)

    def write(tx: Transaction, base: Base) -> Step:
        _target(tx, run_id, submission)
        if already := _known(tx, run_id, submission, digest):
            return already
        if tx.run(run_id) is None:
            tx.append(EventKind.RUN_CREATED, {"labels": RunLabels(), "actor": actor}, run_id=run_id)
        body = {
            "name": _name(tx, run_id, task),
            "title": task.title or _title(task.goal),
            "task": task,
            "provenance": provenance,
            "frozen": frozen,
            "base": base,
            "adapter": adapter,
            "policy": policy,
            "idempotency_key": submission.idempotency_key,
            "request_digest": digest,
            "actor": actor,
            "turn": Waiting.turn(run_id, frozen, bases.awaited(tx, base)),
        }
        tx.append(EventKind.STEP_SUBMITTED, body, run_id=run_id, step_id=step_id)
        return the_step(tx, step_id)

    async with rooms.pins.together():
        base = await bases.resolve(rooms, task.base, Path(frozen.checkout), frozen.git_settings, run_id)
        return await rooms.ledger.write(partial(write, base=base))


def _target(queries: Queries, run: str, submission: Submission) -> str:
    """The id of the run to submit to, which may be one that this submission is to start."""
    if submission.start_run and queries.run(run) is None:
        return check_name(run, "the run id")
    target = run_address(queries, run)
    refuse_finished(target)
    return target.id


def _digest(submission: Submission) -> str:
    asked = (submission.format, submission.text, submission.overrides)
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _known(queries: Queries, run_id: str, submission: Submission, digest: str) -> Step | None:
    """The step an earlier request with this idempotency key made."""
    if submission.idempotency_key is None:
        return None
    found = queries.step_by_key(run_id, submission.idempotency_key)
    if found is None:
        return None
    step, earlier = found
    if earlier != digest:
        raise Conflict(
            f"the idempotency key {submission.idempotency_key!r} was used in run {run_id} for another "
            f"task (step {step.id}); nothing was submitted"
        )
    return step


def _caller(rooms: Rooms, submission: Submission) -> Repository:
    """The checkout the caller stands in; it must belong to this daemon's repository."""
    if not submission.cwd:
        return rooms.config.repository
    repository = find_repository(Path(submission.cwd))
    if repository.common_dir != rooms.config.repository.common_dir:
        raise InvalidInput(
            f"{submission.cwd} belongs to another repository ({repository.common_dir}); "
            f"this daemon serves {rooms.config.repository.common_dir}"
        )
    return repository


def _freeze(
    rooms: Rooms, task: TaskSpec, repository: Repository, submission: Submission
) -> tuple[str, str, FrozenSettings]:
    """Read, once, everything a step needs from outside its task: (adapter, policy, settings)."""
    project = configuration.for_checkout(rooms.config, repository.top)
    provisioning = read_provisioning(repository.top)
    requested, adapter = select_adapter(project, task)
    fallbacks = tuple(select_adapter(project, task, name)[1] for name in task.fallback_adapters)
    for each in (adapter, *fallbacks):
        require_trust(project, repository, each, provisioning, grant=submission.trust)
    policy = find_policy(repository.top, task.policy_bundle or project.default_policy)
    frozen = FrozenSettings(
        checkout=str(repository.top),
        adapter=adapter,
        provisioning=provisioning,
        git_settings=read_settings(repository.top),
        grace_seconds=project.grace_seconds,
        max_output_bytes=project.max_output_bytes,
        memory_cap_mb=project.memory_cap_mb,
        scope_watch=ScopeWatch(project.scope_watch),
        sandbox=SandboxMode(project.sandbox),
        overlays=_capture_overlays(rooms, task, repository),
        priority=_priority(submission),
        fallbacks=fallbacks,
        policy=policy,
    )
    return requested, policy.name, frozen


def _capture_overlays(rooms: Rooms, task: TaskSpec, repository: Repository) -> dict[str, str]:
    """Store what lies in the overlays now; a relative one is looked for in the caller's checkout."""
    folder = rooms.layout.overlay("").parent
    asked = ((each.name, each.overlay) for each in task.validations if each.overlay is not None)
    return {name: capture(repository.top / overlay, folder) for name, overlay in asked}


def _priority(submission: Submission) -> int:
    if not -HIGHEST_PRIORITY <= submission.priority <= HIGHEST_PRIORITY:
        raise InvalidInput(
            f"priority {submission.priority} is out of range: from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}"
        )
    return submission.priority


def _name(queries: Queries, run_id: str, task: TaskSpec) -> str:
    """The planner's step id, or the next free number of the run."""
    if task.step_id is not None:
        if queries.step_named(run_id, task.step_id) is not None:
            raise Conflict(f"run {run_id} has a step {task.step_id!r} already; choose another step_id")
        return task.step_id
    run = queries.run(run_id)
    number = 1 if run is None else run.steps_total + 1
    while queries.step_named(run_id, str(number)) is not None:
        number += 1
    return str(number)


def _title(goal: str) -> str:
    line = goal.strip().splitlines()[0].strip()
    return line if len(line) <= LONGEST_TITLE else line[: LONGEST_TITLE - 1] + "…"


async def cancel(rooms: Rooms, address: str, actor: str) -> Step:
    """Ask for the end of an unsettled step.

    Raises:
        Conflict: it is settled already.
    """

    def write(tx: Transaction) -> Step:
        step = the_step(tx, step_address(tx, address))
        if step.settled:
            raise Conflict(f"step {step.id} is {step.state} already; there is nothing to cancel")
        cancel_step(tx, step, actor, "cancelled on request")
        return the_step(tx, step.id)

    return await rooms.ledger.write(write)


async def retry(
    rooms: Rooms,
    address: str,
    actor: str,
    *,
    adapter: str | None = None,
    feedback: str | None = None,
    force: bool = False,
) -> Step:
    """Give a settled step another attempt, from the same base.

    Raises:
        Conflict: it is not settled, its run is over, or it completed and `force` is not given.
    """
    step = await rooms.ledger.read(lambda queries: the_step(queries, step_address(queries, address)))
    settings = None
    if adapter is not None:
        repository = find_repository(Path(step.frozen.checkout))
        project = await asyncio.to_thread(configuration.for_checkout, rooms.config, repository.top)
        adapter, settings = select_adapter(project, step.task, adapter)
        require_trust(project, repository, settings, step.frozen.provisioning, grant=False)

    def write(tx: Transaction) -> Step:
        current = the_step(tx, step.id)
        _refuse_retry(tx, current, force)
        for gate_id in open_gates(tx, current.run_id):
            gate = tx.gate(gate_id)
            if gate is not None and gate.step_id == current.id:
                void_gate(tx, gate_id, current.run_id, actor, "the step is tried again")
        release_run(tx, current.run_id)
        queue_again(tx, current, actor, feedback=feedback, adapter=adapter, settings=settings)
        return the_step(tx, current.id)

    async with rooms.pins.together():
        await bases.pin_again(rooms, step)
        return await rooms.ledger.write(write)


def queue_again(
    tx: Transaction,
    step: Step,
    actor: str,
    *,
    feedback: str | None,
    adapter: str | None = None,
    settings: AdapterSettings | None = None,
) -> None:
    """Make a settled step pending once more; its base must be pinned again meanwhile."""
    frozen = step.frozen if settings is None else replace(step.frozen, adapter=settings)
    body = {
        "actor": actor,
        "adapter": adapter,
        "adapter_settings": settings,
        "feedback": feedback,
        "step_state": advance(step.state, StepState.PENDING),
        "turn": Waiting.turn(step.run_id, frozen, bases.awaited(tx, step.base)),
    }
    tx.append(EventKind.STEP_RETRIED, body, run_id=step.run_id, step_id=step.id)


def _refuse_retry(queries: Queries, step: Step, force: bool) -> None:
    refuse_finished(run_address(queries, step.run_id))
    if not step.settled:
        raise Conflict(f"step {step.id} is {step.state}: it can be tried again once it is settled")
    if step.state in SUCCESSFUL_STATES and not force:
        raise Conflict(f"step {step.id} is {step.state}; --force tries it again nevertheless")
