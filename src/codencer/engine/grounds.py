"""Checkouts of one attempt: that of the agent, and fresh ones in which validations run.

Every ground is filled from a commit and provisioned by the user's own rules in the same way. A fresh
one is nobody's work: it is thrown away after use, and what an interruption left of it is as well.
"""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from codencer.engine.confining import confined_hook
from codencer.engine.environment import allowed
from codencer.engine.launching import Interrupted, clear_away, marker_of, supervise
from codencer.engine.memory_cap import MIB
from codencer.engine.rooms import Trip
from codencer.model.attempt import HookStatus, Provisioning
from codencer.model.launch import ExitReason, ExitRecord, Launch, Limits
from codencer.process.launches import Order
from codencer.workspace.checkout import fill
from codencer.workspace.git import GitSettings
from codencer.workspace.provision import lay_out
from codencer.workspace.provisioned import ignoring_provisioned, note_provisioned
from codencer.workspace.release import empty_trash, release

LOG_LINES_KEPT = 50


@dataclass(frozen=True, kw_only=True)
class Ground:
    """One checkout: where it is, the bridge's own files about it, and how its hooks' launches are called."""

    workspace: Path
    index: Path
    provisioned: Path
    hooks: str

    def settings(self, frozen: GitSettings) -> GitSettings:
        """The frozen ones, with what provisioning laid here ignored. Reads files."""
        return ignoring_provisioned(frozen, self.workspace, self.provisioned)


def agents_ground(trip: Trip) -> Ground:
    """The workspace of the attempt."""
    layout, attempt_id = trip.rooms.layout, trip.attempt.id
    return Ground(
        workspace=layout.workspace(attempt_id),
        index=layout.index(attempt_id),
        provisioned=layout.provisioned(attempt_id),
        hooks="hook",
    )


def fresh_ground(trip: Trip) -> Ground:
    """The checkout that no agent has seen; at most one of an attempt at a time."""
    layout, attempt_id = trip.rooms.layout, trip.attempt.id
    folder = layout.attempt_folder(attempt_id)
    return Ground(
        workspace=layout.fresh(attempt_id),
        index=folder / "fresh-index",
        provisioned=folder / "fresh-provisioned.json",
        hooks="fresh_hook",
    )


async def give_up(trip: Trip, ground: Ground) -> None:
    """Throw a fresh ground away."""
    trash = trip.rooms.layout.trash
    await asyncio.to_thread(release, ground.workspace, trash)
    await asyncio.to_thread(empty_trash, trash)


async def provision(trip: Trip, ground: Ground) -> Provisioning:
    """Fill a ground with the base and everything the user's rules lay there; what was there is discarded.

    Raises:
        InvalidInput: the rules do not fit. GitFailed, StorageFailed: it cannot be filled.
    """
    while True:
        number = await clear_away(trip, ground.hooks)
        try:
            return await _provision_afresh(trip, ground, number)
        except Interrupted:
            continue


async def _provision_afresh(trip: Trip, ground: Ground, number: int) -> Provisioning:
    step = trip.step
    await asyncio.to_thread(
        fill,
        trip.rooms.store,
        step.frozen.git_settings,
        workspace=ground.workspace,
        index=ground.index,
        base=step.base.commit or "",
        branch=f"codencer/{trip.attempt.id}",
    )
    spec = step.frozen.provisioning
    laid = await asyncio.to_thread(lay_out, spec, ground.workspace)
    provisioning = Provisioning(
        success=True,
        summary="ready",
        log=tuple(laid.log),
        environment_files=tuple(laid.environment_files),
        symlinks=tuple(laid.symlinks),
        post_create_hook=spec.post_create,
    )
    if spec.post_create and not trip.cancelled:
        folder = trip.rooms.layout.launch(trip.attempt.id, f"{ground.hooks}-{number}")
        provisioning = await _run_hook(trip, ground, provisioning, folder)
    if spec.copy or spec.symlinks or spec.post_create:
        await asyncio.to_thread(
            note_provisioned,
            trip.rooms.store,
            step.frozen.git_settings,
            workspace=ground.workspace,
            index=ground.index,
            record=ground.provisioned,
            protected=step.task.protected_paths,
        )
    return provisioning


async def _run_hook(trip: Trip, ground: Ground, provisioning: Provisioning, folder: Path) -> Provisioning:
    spec, env = trip.step.frozen.provisioning, allowed(trip.rooms.environ)
    order = Order(
        launch=Launch(argv=("/bin/sh", "-c", spec.post_create)),
        limits=Limits(
            wall_seconds=spec.timeout_seconds,
            output_bytes=trip.step.frozen.max_output_bytes,
            grace_seconds=trip.step.frozen.grace_seconds,
        ),
        cwd=ground.workspace,
        env=env,
        marker=marker_of(trip, folder),
        memory_bytes=trip.step.frozen.memory_cap_mb * MIB,
        confinement=await asyncio.to_thread(confined_hook, trip, ground.workspace, env),
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
