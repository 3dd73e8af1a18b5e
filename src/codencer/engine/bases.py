"""Where a step begins: the commit behind a base reference, pinned so that it cannot vanish.

A base is resolved at submission, in the caller's checkout, and is the same for every
attempt. Only `step:<id>` may have to wait, until that step is settled.
"""

import asyncio
from pathlib import Path

from codencer.engine.addresses import step_address
from codencer.engine.rooms import Rooms, Trip
from codencer.errors import Conflict, GitFailed, InvalidInput
from codencer.ledger import Queries
from codencer.model.event import EventKind
from codencer.model.step import Base, Step
from codencer.workspace.base import pin_base, resolve_base

STEP_PREFIX = "step:"


async def resolve(
    rooms: Rooms, ref: str, checkout: Path, settings: tuple[tuple[str, str], ...], run_id: str
) -> Base:
    """Resolve and pin what `ref` means now; the commit is None while another step is awaited.

    The caller holds `rooms.pins` until the base is in the ledger.
    """
    if not ref.startswith(STEP_PREFIX):
        commit = await asyncio.to_thread(resolve_base, rooms.store, settings, checkout, ref)
        await asyncio.to_thread(pin_base, rooms.store, commit, commit)
        return Base(ref=ref, commit=commit)
    base = await rooms.ledger.read(lambda queries: _of_step(queries, ref, run_id))
    if base.commit is not None:
        await asyncio.to_thread(pin_base, rooms.store, base.commit, base.commit)
    return base


async def resolve_awaited(trip: Trip) -> None:
    """Resolve, at last, the base of a step that waited for another one."""
    if trip.step.base.commit is not None:
        return
    awaited = trip.step.base
    async with trip.rooms.pins.together():
        base = await trip.rooms.ledger.read(lambda queries: _snapshot_of(queries, awaited))
        if base.commit is None:
            raise InvalidInput(f"the base {base.ref} left no snapshot to begin from")
        await asyncio.to_thread(pin_base, trip.rooms.store, base.commit, base.commit)
        await trip.record((EventKind.BASE_PINNED, {"base": base}))


def awaited(queries: Queries, base: Base) -> str | None:
    """The unsettled step whose snapshot `base` waits for, if it waits."""
    step = None if base.commit is not None or base.step_id is None else queries.step(base.step_id)
    return None if step is None or step.settled else step.id


async def pin_again(rooms: Rooms, step: Step) -> None:
    """Pin the base of a settled step that is to be tried again; its pin may have been let go.

    Raises:
        Conflict: the commit is gone.
    """
    commit = step.base.commit
    if commit is None:
        return
    try:
        await asyncio.to_thread(pin_base, rooms.store, commit, commit)
    except GitFailed as problem:
        raise Conflict(
            f"the base of step {step.id}, {commit}, is no longer in the repository ({problem}): submit the "
            "task anew. Nothing has changed"
        ) from problem


def _of_step(queries: Queries, ref: str, run_id: str) -> Base:
    address, slash, number = ref.removeprefix(STEP_PREFIX).rpartition("/")
    if not (slash and number.isdecimal()):
        address, number = ref.removeprefix(STEP_PREFIX), ""
    step = queries.step(step_address(queries, address, run_id=run_id))
    if step is None:
        raise InvalidInput(f"the base {ref} names no step")
    base = Base(ref=ref, step_id=step.id, attempt_number=int(number) if number else None)
    if not step.settled and base.attempt_number is None:
        return base
    found = _snapshot_of(queries, base)
    if found.commit is None:
        raise InvalidInput(f"the base {ref} left no snapshot to begin from")
    return found


def _snapshot_of(queries: Queries, base: Base) -> Base:
    """The base with the commit of the newest (or the numbered) ended attempt that has one."""
    for attempt in reversed(queries.attempts(base.step_id or "")):
        there = attempt.snapshot is not None and not attempt.snapshot.expired
        if attempt.snapshot is None or not there or base.attempt_number not in (None, attempt.number):
            continue
        return Base(
            ref=base.ref,
            commit=attempt.snapshot.commit,
            step_id=base.step_id,
            attempt_number=attempt.number,
        )
    return base
