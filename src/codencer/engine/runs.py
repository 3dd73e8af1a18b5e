"""Commands on runs: start, abort, finish, pause, resume."""

from collections.abc import Callable, Sequence

from codencer.engine.addresses import run_address
from codencer.engine.meter import Meter, shortfall
from codencer.engine.rooms import Rooms
from codencer.errors import Conflict, InvalidInput
from codencer.ledger import Queries, Transaction
from codencer.model.budget import RunBudget
from codencer.model.event import EventKind
from codencer.model.gate import GateState
from codencer.model.ids import IdKind, check_name, new_id, shown
from codencer.model.lifecycle import advance
from codencer.model.run import BY_HAND, FINISHED_RUN_STATES, Run, RunLabels, RunState
from codencer.model.step import SUCCESSFUL_STATES, Step, StepState

LONGEST_LABEL = 1024


async def start_run(
    rooms: Rooms, run_id: str | None, labels: RunLabels, actor: str, budget: RunBudget | None = None
) -> Run:
    """Create a run; its id must be new, ignoring case.

    Raises:
        InvalidInput: the id or a label is not usable. Conflict: the id is taken.
    """
    chosen = check_name(run_id, "the run id") if run_id is not None else f"run-{shown(new_id(IdKind.STEP))}"
    for label in (labels.project_id, labels.conversation, labels.planner, labels.executor):
        if len(label) > LONGEST_LABEL:
            raise InvalidInput(f"a label is longer than {LONGEST_LABEL} characters")

    def write(tx: Transaction) -> Run:
        if tx.run(chosen) is not None:
            raise Conflict(f"there is a run {chosen!r} already; choose another id")
        tx.append(EventKind.RUN_CREATED, {"labels": labels, "actor": actor}, run_id=chosen)
        if budget is not None:
            tx.append(EventKind.RUN_BUDGETED, {"budget": budget, "actor": actor}, run_id=chosen)
        return run_address(tx, chosen)

    return await rooms.ledger.write(write)


async def change_run(rooms: Rooms, address: str, action: str, actor: str) -> Run:
    """Abort, finish, pause or resume a run.

    Raises:
        Conflict: the run's state, or an unsettled step, forbids it; nothing has changed.
    """
    change = _ACTIONS.get(action)
    if change is None:
        raise InvalidInput(f"a run knows no action {action!r}; there are {', '.join(_ACTIONS)}")

    def write(tx: Transaction) -> Run:
        run = run_address(tx, address)
        change(tx, run, actor)
        return run_address(tx, run.id)

    return await rooms.ledger.write(write)


def move_run(tx: Transaction, run: Run, to: RunState, actor: str, reason: str) -> None:
    body = {"state": advance(run.state, to), "actor": actor, "reason": reason}
    tx.append(EventKind.RUN_ADVANCED, body, run_id=run.id)


def open_gates(queries: Queries, run_id: str) -> list[str]:
    return [gate.id for gate in queries.gates(run_id=run_id, state=GateState.OPEN)]


def hold_run(tx: Transaction, run_id: str) -> None:
    """Show on the run that one of its steps waits for a person; its other steps go on."""
    run = tx.run(run_id)
    if run is not None and run.state is RunState.RUNNING:
        move_run(tx, run, RunState.PAUSED_FOR_GATE, "bridge", "a gate is open")


def release_run(tx: Transaction, run_id: str) -> None:
    """Take that mark away once no gate of the run is open."""
    run = tx.run(run_id)
    if run is not None and run.state is RunState.PAUSED_FOR_GATE and not open_gates(tx, run_id):
        move_run(tx, run, RunState.RUNNING, "bridge", "no gate is open")


def verdict_of(steps: Sequence[Step]) -> RunState:
    """What finishing a run with these settled steps makes of it."""
    succeeded = bool(steps) and all(step.state in SUCCESSFUL_STATES for step in steps)
    return RunState.COMPLETED if succeeded else RunState.FAILED


def _abort(tx: Transaction, run: Run, actor: str) -> None:
    reason = "the run was aborted"
    for gate_id in open_gates(tx, run.id):
        void_gate(tx, gate_id, run.id, actor, reason)
    for step in tx.steps(run.id):
        if step.state is StepState.NEEDS_APPROVAL or not step.settled:
            cancel_step(tx, step, actor, reason)
    move_run(tx, run, RunState.CANCELLED, actor, reason)


def _finish(tx: Transaction, run: Run, actor: str) -> None:
    steps = tx.steps(run.id)
    in_the_way = [f"{run.id}/{step.name} ({step.state})" for step in steps if not step.settled]
    in_the_way += [f"open gate {gate_id}" for gate_id in open_gates(tx, run.id)]
    if in_the_way:
        raise Conflict(f"run {run.id} cannot be finished yet: {', '.join(in_the_way)}")
    move_run(tx, run, verdict_of(steps), actor, "finished")


def _pause(tx: Transaction, run: Run, actor: str) -> None:
    move_run(tx, run, RunState.PAUSED, actor, BY_HAND)


def _resume(tx: Transaction, run: Run, actor: str) -> None:
    if run.state is RunState.PAUSED and (why := shortfall(tx, Meter(), run)):
        raise Conflict(
            f"run {run.id} stays paused: {why}. Allow more by `codencer run budget {run.id}`, and resume it"
        )
    move_run(tx, run, RunState.RUNNING, actor, "resumed")
    if open_gates(tx, run.id):
        hold_run(tx, run.id)


_ACTIONS: dict[str, Callable[[Transaction, Run, str], None]] = {
    "abort": _abort,
    "finish": _finish,
    "pause": _pause,
    "resume": _resume,
}


def void_gate(tx: Transaction, gate_id: str, run_id: str, actor: str, reason: str) -> None:
    gate = tx.gate(gate_id)
    if gate is None:
        return
    body = {
        "gate_id": gate_id,
        "state": advance(gate.state, GateState.VOID),
        "actor": actor,
        "note": reason,
    }
    ids = {"run_id": run_id, "step_id": gate.step_id, "attempt_id": gate.attempt_id}
    tx.append(EventKind.GATE_CLOSED, body, **ids)


def cancel_step(tx: Transaction, step: Step, actor: str, reason: str) -> None:
    """Ask for a step's end; one that no attempt is working on is cancelled here and now."""
    ids = {"run_id": step.run_id, "step_id": step.id}
    if not step.cancel_requested:
        tx.append(EventKind.CANCEL_REQUESTED, {"actor": actor, "reason": reason}, **ids)
    if step.state in (StepState.PENDING, StepState.FAILED_RETRYABLE, StepState.NEEDS_APPROVAL):
        body = {
            "step_state": advance(step.state, StepState.CANCELLED),
            "summary": reason,
            "retryable": True,
            "reason": "cancelled",
        }
        tx.append(EventKind.STEP_SETTLED, body, **ids)


def refuse_finished(run: Run) -> None:
    if run.state in FINISHED_RUN_STATES:
        raise Conflict(f"run {run.id} is {run.state}: it takes no more work; start another run")
