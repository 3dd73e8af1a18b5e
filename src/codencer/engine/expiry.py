"""Lets go of refs that nothing needs any more: old snapshots, and pins of bases.

The record says that a snapshot has expired before its refs are deleted, so a crash in between leaves
a ref too many and never one too few. Submissions, retries and this exclude each other: a base that a
step is about to begin from is either seen here or taken afterwards.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codencer.engine.layout import BASES, COMMITS, SNAPSHOTS, snapshot_ref
from codencer.engine.retention import DAY_US, Period, Standing, ages, why_gone, why_kept
from codencer.engine.rooms import Rooms
from codencer.errors import GitFailed
from codencer.ledger import Queries, Transaction
from codencer.model.attempt import Attempt
from codencer.model.event import EventKind
from codencer.model.gate import GateState
from codencer.model.step import SUCCESSFUL_STATES, Step
from codencer.workspace.refs import beyond, delete_refs, list_refs


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One snapshot: what keeps it, or else what allows to let it go."""

    attempt: Attempt
    step: Step
    kept: str
    gone: str


async def expire_refs(rooms: Rooms, period: Period, *, dry_run: bool) -> list[str]:
    """Delete refs of snapshots that are over, then pins of bases that nobody needs."""
    async with rooms.pins.alone():
        now_us = time.time_ns() // 1000
        judged, old = await rooms.ledger.read(lambda queries: _judge(queries, period, now_us))
        refs = await asyncio.to_thread(list_refs, rooms.store, "refs/")
        lines, gone = await _snapshots(rooms, judged, refs, dry_run=dry_run)
        left = {name: commit for name, commit in refs.items() if name not in gone}
        return [*lines, *await _bases(rooms, left, old, dry_run=dry_run)]


async def _snapshots(
    rooms: Rooms, judged: Sequence[Judged], refs: Mapping[str, str], *, dry_run: bool
) -> tuple[list[str], set[str]]:
    lines: list[str] = []
    gone: set[str] = set()
    kept: Counter[str] = Counter()
    for each in judged:
        named = _refs_of(each.attempt.id, refs)
        if each.kept:
            kept[each.kept] += 1
        elif each.attempt.snapshot is not None and each.attempt.snapshot.expired:
            # The daemon was ended between the event and the deletion.
            gone |= set(named)
            lines += [f"removed  {name}: it has expired" for name in named]
        elif dry_run or await rooms.ledger.write(lambda tx, each=each, named=named: _expire(tx, each, named)):  # type: ignore[misc]
            gone |= set(named)
            lines.append(f"removed  {snapshot_ref(each.attempt.id)}: {each.gone}")
    if gone and not dry_run:
        await asyncio.to_thread(delete_refs, rooms.store, sorted(gone))
    return lines + [_counted(number, "snapshot", why) for why, number in sorted(kept.items())], gone


def _counted(number: int, what: str, why: str) -> str:
    return f"kept     {number} {what}{'' if number == 1 else 's'}: {why}"


def _refs_of(attempt_id: str, refs: Mapping[str, str]) -> list[str]:
    beside = f"{COMMITS}{attempt_id}/"
    return [name for name in refs if name == snapshot_ref(attempt_id) or name.startswith(beside)]


def _expire(tx: Transaction, judged: Judged, refs: Sequence[str]) -> bool:
    """Record it, unless something has happened to the step meanwhile."""
    step = tx.step(judged.step.id)
    if step is None or not step.settled or step.revision != judged.step.revision:
        return False
    body = {"refs": list(refs), "reason": judged.gone}
    tx.append(EventKind.SNAPSHOT_EXPIRED, body, attempt_id=judged.attempt.id)
    return True


def _judge(queries: Queries, period: Period, now_us: int) -> tuple[list[Judged], set[str]]:
    """Every snapshot, and the steps that are over and have been left alone for the period."""
    age = ages(queries.times(), now_us, period)
    old = set() if period.forever else {each for each, us in age.items() if us >= period.days * DAY_US}
    unsettled = queries.unsettled_steps()
    awaited = {step.base.step_id for step in unsettled}
    commits = {step.base.commit for step in unsettled}
    asked = {gate.attempt_id for gate in queries.gates(state=GateState.OPEN)}
    approved = {gate.attempt_id for gate in queries.gates(state=GateState.APPROVED)}
    by_step: dict[str, list[Attempt]] = {}
    for attempt in queries.attempts_with_snapshot():
        by_step.setdefault(attempt.step_id, []).append(attempt)
    judged = []
    for step_id, attempts in by_step.items():
        step = queries.step(step_id)
        if step is None:
            continue
        there = [each for each in attempts if each.snapshot and not each.snapshot.expired]
        best = [each for each in there if each.result_state in SUCCESSFUL_STATES or each.id in approved]
        landed = _landed(queries, step) if step.landed else set()
        for attempt in attempts:
            if attempt not in there:
                judged.append(Judged(attempt=attempt, step=step, kept="", gone="it has expired"))
                continue
            standing = Standing(
                step=step,
                age_us=age.get(step_id, 0),
                gate_open=attempt.id in asked,
                is_base=step_id in awaited
                or (attempt.snapshot is not None and attempt.snapshot.commit in commits),
                newest=there[-1].id,
                best=best[-1].id if best else None,
                landed=landed,
            )
            kept = why_kept(attempt, standing, period)
            judged.append(
                Judged(attempt=attempt, step=step, kept=kept, gone=why_gone(attempt, standing, period))
            )
    settled = {step_id for users in queries.bases().values() for step_id, over in users if over}
    return judged, old & settled


def _landed(queries: Queries, step: Step) -> set[str]:
    """The attempts of a step whose work was brought to the user."""
    return {each.attempt_id for each in queries.landings(step.id) if each.attempt_id is not None}


async def _bases(rooms: Rooms, refs: Mapping[str, str], old: set[str], *, dry_run: bool) -> list[str]:
    """Unpin bases that no unsettled step uses and that stay reachable without the pin."""
    pins = {name: commit for name, commit in refs.items() if name.startswith(BASES)}
    if not pins:
        return []
    users = await rooms.ledger.read(lambda queries: queries.bases())
    kept = [refs[name] for name in refs if name.startswith((SNAPSHOTS, COMMITS))]
    theirs = [refs[name] for name in refs if not name.startswith("refs/codencer/")]
    try:
        alone = await asyncio.to_thread(beyond, rooms.store, list(pins.values()), kept)
        lost = await asyncio.to_thread(beyond, rooms.store, list(pins.values()), theirs)
    except GitFailed as problem:
        return [_counted(len(pins), "pinned base", f"git cannot tell what keeps them ({problem})")]
    lines: list[str] = []
    why: Counter[str] = Counter()
    gone: list[str] = []
    for name, commit in pins.items():
        steps = users.get(commit, [])
        if not all(settled for _, settled in steps):
            why["an unsettled step begins there"] += 1
        elif commit not in alone:
            gone.append(name)
            lines.append(f"removed  {name}: a snapshot that is kept has it as an ancestor")
        elif commit not in lost and all(step_id in old for step_id, _ in steps):
            gone.append(name)
            lines.append(f"removed  {name}: the steps that began there are over, and a branch or tag has it")
        else:
            why["nothing else keeps the commit for another try"] += 1
    if gone and not dry_run:
        await asyncio.to_thread(delete_refs, rooms.store, gone)
    return lines + [_counted(number, "pinned base", reason) for reason, number in sorted(why.items())]
