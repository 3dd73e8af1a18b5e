"""First stage: a checkout at the base commit, provisioned by the user's own rules.

Re-entered after an interruption it begins anew: a checkout no agent has seen is no work.
"""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from codencer.engine.bases import resolve_awaited
from codencer.engine.environment import allowed
from codencer.engine.launching import Interrupted, clear_away, marker_of, supervise
from codencer.engine.memory_cap import MIB
from codencer.engine.rooms import Trip
from codencer.errors import CodencerError, InvalidInput
from codencer.model.attempt import AgentOutcome, AttemptState, Ending, HookStatus, Provisioning
from codencer.model.event import EventKind
from codencer.model.launch import ExitReason, ExitRecord, Launch, Limits
from codencer.model.step import StepState
from codencer.process.launches import Order
from codencer.workspace.checkout import fill
from codencer.workspace.provision import lay_out
from codencer.workspace.provisioned import note_provisioned
from codencer.workspace.resume import lay_on

LOG_LINES_KEPT = 50


async def prepare(trip: Trip) -> None:
    """Fill and provision the workspace, and record it; or record why there is none."""
    if trip.attempt.workspace is not None or trip.attempt.outcome is not None:
        return
    began = time.monotonic_ns()
    try:
        provisioning = await _provision(trip)
    except InvalidInput as problem:
        await _give_up(trip, Ending.HOOK_FAILED, f"the workspace could not be provisioned: {problem}")
        return
    except (CodencerError, OSError) as problem:
        await _give_up(trip, Ending.UNPREPARED, f"the workspace could not be prepared: {problem}")
        return
    duration_ms = (time.monotonic_ns() - began) // 1_000_000
    trip.timings["prepare"] = duration_ms
    workspace = str(trip.rooms.layout.workspace(trip.attempt.id))
    provisioning = replace(provisioning, duration_ms=duration_ms)
    await trip.record((EventKind.WORKSPACE_READY, {"workspace": workspace, "provisioning": provisioning}))
    if trip.cancelled:
        await _give_up(trip, Ending.CANCELLED, "cancelled before the agent was started")
    elif not provisioning.success:
        await _give_up(trip, Ending.HOOK_FAILED, provisioning.summary)


async def _give_up(trip: Trip, ending: Ending, summary: str) -> None:
    body = {"exit": None, "outcome": AgentOutcome(ending=ending, summary=summary, error=summary)}
    moved = trip.moved(AttemptState.COLLECTING, StepState.COLLECTING_ARTIFACTS)
    await trip.record((EventKind.AGENT_EXITED, {**body, **moved}))


async def _provision(trip: Trip) -> Provisioning:
    await resolve_awaited(trip)
    while True:
        number = await clear_away(trip, "hook")
        try:
            return await _provision_afresh(trip, number)
        except Interrupted:
            continue


async def _provision_afresh(trip: Trip, number: int) -> Provisioning:
    layout, step, attempt = trip.rooms.layout, trip.step, trip.attempt
    workspace = layout.workspace(attempt.id)
    await asyncio.to_thread(
        fill,
        trip.rooms.store,
        step.frozen.git_settings,
        workspace=workspace,
        index=layout.index(attempt.id),
        base=step.base.commit or "",
        branch=f"codencer/{attempt.id}",
    )
    spec = step.frozen.provisioning
    laid = await asyncio.to_thread(lay_out, spec, workspace)
    provisioning = Provisioning(
        success=True,
        summary="ready",
        log=tuple(laid.log),
        environment_files=tuple(laid.environment_files),
        symlinks=tuple(laid.symlinks),
        post_create_hook=spec.post_create,
    )
    if spec.post_create and not trip.cancelled:
        folder = layout.launch(attempt.id, f"hook-{number}")
        provisioning = await _run_hook(trip, provisioning, folder)
    await asyncio.to_thread(_finish, trip)
    return provisioning


def _finish(trip: Trip) -> None:
    """Note what was provisioned, and only then lay in the work of an attempt that this one goes on from."""
    layout, attempt = trip.rooms.layout, trip.attempt
    store, settings = trip.rooms.store, trip.step.frozen.git_settings
    workspace, index = layout.workspace(attempt.id), layout.index(attempt.id)
    spec = trip.step.frozen.provisioning
    if spec.copy or spec.symlinks or spec.post_create:
        record = layout.provisioned(attempt.id)
        note_provisioned(store, settings, workspace=workspace, index=index, record=record)
    if attempt.begins_at is not None:
        lay_on(store, settings, workspace=workspace, index=index, snapshot=attempt.begins_at)


async def _run_hook(trip: Trip, provisioning: Provisioning, folder: Path) -> Provisioning:
    spec = trip.step.frozen.provisioning
    order = Order(
        launch=Launch(argv=("/bin/sh", "-c", spec.post_create)),
        limits=Limits(
            wall_seconds=spec.timeout_seconds,
            output_bytes=trip.step.frozen.max_output_bytes,
            grace_seconds=trip.step.frozen.grace_seconds,
        ),
        cwd=trip.rooms.layout.workspace(trip.attempt.id),
        env=allowed(trip.rooms.environ),
        marker=marker_of(trip, folder),
        memory_bytes=trip.step.frozen.memory_cap_mb * MIB,
    )
    record = await supervise(trip, folder, order)
    status, summary = _judge(record, spec.timeout_seconds)
    log = (*provisioning.log, *await asyncio.to_thread(_tail, folder))
    return replace(
        provisioning, success=status is HookStatus.PASSED, summary=summary, log=log, hook_status=status
    )


def _judge(record: ExitRecord | None, limit_seconds: int) -> tuple[HookStatus, str]:
    if record is None:
        return HookStatus.FAILED, "the post_create hook vanished without an exit record"
    if record.reason is ExitReason.TIMEOUT:
        return HookStatus.TIMEOUT, f"the post_create hook took longer than {limit_seconds} s"
    if record.reason is ExitReason.EXITED and record.code == 0:
        return HookStatus.PASSED, "ready"
    how = record.error or (f"signal {record.signal}" if record.signal else f"exit code {record.code}")
    return HookStatus.FAILED, f"the post_create hook failed: {how}"


def _tail(folder: Path, limit_bytes: int = 16 * 1024) -> list[str]:
    """The last lines of a launch's output, stderr last."""
    lines: list[str] = []
    for name in ("stdout", "stderr"):
        try:
            with (folder / name).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - limit_bytes))
                lines += file.read().decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            continue
    return lines[-LOG_LINES_KEPT:]
