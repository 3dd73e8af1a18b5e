"""A person's answer to a gate: given once, with a name, and for exactly the tree that was shown.

Who approves says which tree; an answer for any other is refused, and so is one that comes when the
step has gone on. What the answer makes of the step is written in the same transaction.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from codencer.engine import bases
from codencer.engine.addresses import identifier, run_address
from codencer.engine.layout import snapshot_ref
from codencer.engine.retention import DAY_US, Period, ages
from codencer.engine.rooms import Rooms, the_attempt, the_step
from codencer.engine.runs import refuse_finished, release_run
from codencer.engine.steps import queue_again
from codencer.errors import Conflict, InvalidInput, NotFound
from codencer.ledger import Queries, Transaction
from codencer.model.attempt import Attempt
from codencer.model.event import EventKind
from codencer.model.gate import Gate, GateState
from codencer.model.ids import IdKind
from codencer.model.lifecycle import advance
from codencer.model.policy import Facts
from codencer.model.step import Step, StepState
from codencer.workspace.refs import read_ref

LONGEST_NOTE = 16 * 1024


@dataclass(frozen=True, kw_only=True)
class Question(Gate):
    """A gate as a person needs to see it before answering; counts are of the snapshot against the base."""

    title: str
    base_commit: str | None
    snapshot_commit: str
    files_changed: int
    additions: int
    deletions: int
    facts: Facts | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`tree` is the snapshot's tree, as the gate shows it; to approve, it must be given.

    With `retry` a rejection begins another attempt at once, and the note is its feedback.
    """

    action: str
    note: str = ""
    tree: str | None = None
    retry: bool = False


async def question(rooms: Rooms, address: str) -> Question:
    """One gate with what it is about.

    Raises:
        NotFound: there is none of that id.
    """
    return await rooms.ledger.read(lambda queries: _question(queries, address))


def _question(queries: Queries, address: str) -> Question:
    gate = _gate(queries, address)
    step, attempt = the_step(queries, gate.step_id), the_attempt(queries, gate.attempt_id)
    if attempt.snapshot is None:
        raise NotFound(f"gate {gate.id} has lost its snapshot: run `codencer doctor`")
    return Question(
        **vars(gate),
        title=step.title,
        base_commit=step.base.commit,
        snapshot_commit=attempt.snapshot.commit,
        files_changed=attempt.snapshot.files_changed,
        additions=attempt.snapshot.additions,
        deletions=attempt.snapshot.deletions,
        facts=attempt.facts,
    )


def _gate(queries: Queries, address: str) -> Gate:
    gate = queries.gate(identifier(queries, IdKind.GATE, address))
    if gate is None:
        raise NotFound(f"there is no gate {address!r}; `codencer gate list` shows those there are")
    return gate


async def decide(rooms: Rooms, address: str, answer: Answer, actor: str) -> Gate:
    """Close an open gate and bring its step to where the answer leads.

    Raises:
        Conflict: it is closed already, its step or run has gone on, its snapshot is not there any
            more, or another tree than its own was approved; nothing has changed.
        InvalidInput: the answer itself is wrong.
    """
    _check(answer)
    asked = await question(rooms, address)
    gate_id = asked.id
    if answer.action == "approve":
        await asyncio.to_thread(_require_snapshot, rooms, asked)

    def write(tx: Transaction) -> Gate:
        gate, step, attempt = _open(tx, gate_id)
        _close(tx, gate, answer, actor)
        _ACTIONS[answer.action](tx, step, attempt, answer, actor)
        release_run(tx, gate.run_id)
        return _gate(tx, gate_id)

    if not answer.retry:
        return await rooms.ledger.write(write)
    step = await rooms.ledger.read(lambda queries: the_step(queries, asked.step_id))
    async with rooms.pins.together():
        await bases.pin_again(rooms, step)
        return await rooms.ledger.write(write)


def _check(answer: Answer) -> None:
    if answer.action not in _ACTIONS:
        raise InvalidInput(f"a gate knows no action {answer.action!r}; there are {', '.join(_ACTIONS)}")
    if len(answer.note) > LONGEST_NOTE:
        raise InvalidInput(f"the note is longer than {LONGEST_NOTE} characters")
    if answer.action == "approve" and answer.tree is None:
        raise InvalidInput("say which tree is approved: `gate show` and the result name it (snapshot_tree)")
    if answer.action == "approve" and answer.retry:
        raise InvalidInput("an approved step is done; only a rejected one can be tried again")
    if answer.action == "reject" and not answer.note.strip():
        raise InvalidInput("a rejection needs a note: whoever reads the record wants to know why")


def _require_snapshot(rooms: Rooms, asked: Question) -> None:
    ref = snapshot_ref(asked.attempt_id)
    if read_ref(rooms.store, ref) != asked.snapshot_commit:
        raise Conflict(
            f"{ref} does not hold the commit that gate {asked.id} asks about, {asked.snapshot_commit}: "
            "it was moved or deleted. Nothing was approved; reject the gate, or retry the step"
        )


def _open(tx: Transaction, gate_id: str) -> tuple[Gate, Step, Attempt]:
    """The gate, which can still be answered, with its step and attempt."""
    gate = _gate(tx, gate_id)
    if gate.state is not GateState.OPEN:
        by = f" by {gate.actor}" if gate.actor else ""
        raise Conflict(f"gate {gate.id} is {gate.state} already{by}; it is answered once")
    refuse_finished(run_address(tx, gate.run_id))
    step = the_step(tx, gate.step_id)
    if step.state is not StepState.NEEDS_APPROVAL or step.latest_attempt_id != gate.attempt_id:
        raise Conflict(f"step {step.id} is {step.state} and has gone on since gate {gate.id} was opened")
    return gate, step, the_attempt(tx, gate.attempt_id)


def _close(tx: Transaction, gate: Gate, answer: Answer, actor: str) -> None:
    if answer.tree is not None and answer.tree != gate.snapshot_tree:
        raise Conflict(
            f"gate {gate.id} asks about the tree {gate.snapshot_tree}, and the answer is for "
            f"{answer.tree!a}; nothing was decided"
        )
    to = GateState.APPROVED if answer.action == "approve" else GateState.REJECTED
    body = {"gate_id": gate.id, "state": advance(gate.state, to), "actor": actor, "note": answer.note or None}
    ids = {"run_id": gate.run_id, "step_id": gate.step_id, "attempt_id": gate.attempt_id}
    tx.append(EventKind.GATE_CLOSED, body, **ids)


def _approve(tx: Transaction, step: Step, attempt: Attempt, answer: Answer, actor: str) -> None:
    facts = attempt.facts
    warned = facts is None or bool(facts.failed_validations or facts.failed_warnings)
    state = StepState.COMPLETED_WITH_WARNINGS if warned else StepState.COMPLETED
    _settle(tx, step, state, f"approved by {actor}{_why(answer)}")


def _reject(tx: Transaction, step: Step, _attempt: Attempt, answer: Answer, actor: str) -> None:
    if answer.retry:
        queue_again(tx, step, actor, feedback=answer.note)
    else:
        _settle(tx, step, StepState.FAILED_TERMINAL, f"rejected by {actor}{_why(answer)}")


def _why(answer: Answer) -> str:
    return f": {answer.note.strip()}" if answer.note.strip() else ""


def _settle(tx: Transaction, step: Step, state: StepState, summary: str) -> None:
    body = {
        "step_state": advance(step.state, state),
        "summary": summary,
        "retryable": state is StepState.FAILED_TERMINAL,
        "reason": "not approved" if state is StepState.FAILED_TERMINAL else "approved",
    }
    tx.append(EventKind.STEP_SETTLED, body, run_id=step.run_id, step_id=step.id)


async def expire_gates(rooms: Rooms) -> list[str]:
    """Close the gates that nobody has answered for `gate_days`; their steps have failed then.

    Age is counted as for snapshots: a clock that jumps closes nothing.
    """
    period = Period(days=rooms.config.gate_days)
    if period.forever:
        return []

    def write(tx: Transaction) -> list[str]:
        age = ages(tx.times(), time.time_ns() // 1000, period)
        old = [
            gate
            for gate in tx.gates(state=GateState.OPEN)
            if age.get(gate.step_id, 0) >= period.days * DAY_US
        ]
        for gate in old:
            why = f"nobody answered for {period.days} days"
            body = {"gate_id": gate.id, "state": advance(gate.state, GateState.EXPIRED), "actor": "bridge"}
            ids = {"run_id": gate.run_id, "step_id": gate.step_id, "attempt_id": gate.attempt_id}
            tx.append(EventKind.GATE_CLOSED, {**body, "note": why}, **ids)
            _settle(tx, the_step(tx, gate.step_id), StepState.FAILED_TERMINAL, f"the gate expired: {why}")
            release_run(tx, gate.run_id)
        return [f"expired  {gate.id}: nobody answered for {period.days} days" for gate in old]

    return await rooms.ledger.write(write)


_ACTIONS: dict[str, Callable[[Transaction, Step, Attempt, Answer, str], None]] = {
    "approve": _approve,
    "reject": _reject,
}
