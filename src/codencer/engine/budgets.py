"""Budgets of runs: set by a person, and kept whenever an attempt is to begin or an agent to go on.

What is decided is written in the transaction that looked: no second attempt comes between.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from codencer.engine.addresses import run_address
from codencer.engine.meter import Meter, shortfall, spent_of
from codencer.engine.retrying import told
from codencer.engine.rooms import Rooms
from codencer.engine.runs import move_run, refuse_finished
from codencer.errors import InvalidInput
from codencer.ledger import Queries, Transaction
from codencer.model.attempt import Attempt, Halt, HaltCause
from codencer.model.budget import BudgetAction, RunBudget
from codencer.model.event import EventKind
from codencer.model.lifecycle import advance
from codencer.model.run import Run, RunState
from codencer.model.step import Step, StepState
from codencer.policy import RunSpent

GREATEST: Final = 2**53
_MONEY: Final = re.compile(r"\d{1,9}(\.\d{1,6})?")
BRIDGE: Final = "bridge"


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """A budget as people write it: `cost_usd` is a decimal text such as "2.50"; null is no limit.

    `accept_unknown` lets the run go on although agents that ended did not say what they used up.
    """

    cost_usd: str | None = None
    tokens: int | None = None
    seconds: int | None = None
    action: BudgetAction = BudgetAction.PAUSE
    accept_unknown: bool = False


def budget_of(allowance: Allowance) -> RunBudget:
    """The budget that is meant.

    Raises:
        InvalidInput: an amount cannot be one.
    """
    cost = allowance.cost_usd
    if cost is not None and not _MONEY.fullmatch(cost):
        raise InvalidInput(
            f"{cost!a} is no amount in US dollars: write one like 2.50, with at most six decimals"
        )
    for name, value in (("tokens", allowance.tokens), ("seconds", allowance.seconds)):
        if value is not None and not 0 <= value <= GREATEST:
            raise InvalidInput(f"{name} must be from 0 to {GREATEST}, not {value}")
    return RunBudget(
        cost_microusd=None if cost is None else int(Decimal(cost) * 1_000_000),
        tokens=allowance.tokens,
        seconds=allowance.seconds,
        action=allowance.action,
    )


async def set_budget(rooms: Rooms, address: str, allowance: Allowance, actor: str) -> Run:
    """Give a run another budget; one that is paused stays so until it is resumed.

    Raises:
        Conflict: the run is over. InvalidInput: an amount cannot be one.
    """
    wanted = budget_of(allowance)

    def write(tx: Transaction) -> Run:
        run = run_address(tx, address)
        refuse_finished(run)
        accepted = run.budget.accepted_unknown if run.budget is not None else 0
        if allowance.accept_unknown:
            accepted = spent_of(tx, rooms.meter, replace(run, budget=wanted)).unknown
        body = {"budget": replace(wanted, accepted_unknown=accepted), "actor": actor}
        tx.append(EventKind.RUN_BUDGETED, body, run_id=run.id)
        return run_address(tx, run.id)

    return await rooms.ledger.write(write)


async def used_by(rooms: Rooms, run: Run) -> RunSpent:
    """What a run has used up so far."""
    return await rooms.ledger.read(lambda queries: spent_of(queries, rooms.meter, run))


def admit(tx: Transaction, meter: Meter, step: Step, resting: Attempt | None = None) -> bool:
    """Whether a further attempt may begin, or `resting` go on to its end.

    Where the budget of the run is used up the run is paused, or the step fails, as the budget says.
    """
    run = tx.run(step.run_id)
    why = shortfall(tx, meter, run) if run is not None else ""
    if run is None or run.budget is None or not why:
        return True
    if run.budget.action is BudgetAction.PAUSE:
        pause_run(tx, run.id, why)
        return False
    if resting is None:
        _fail(tx, step, why)
        return False
    halt = Halt(cause=HaltCause.RUN_BUDGET, reason=why)
    tx.append(EventKind.AGENT_HALTED, {"halt": halt}, attempt_id=resting.id)
    return True


def pause_run(tx: Transaction, run_id: str, why: str) -> None:
    """Begin no more steps of a run, and show on it why."""
    run = tx.run(run_id)
    if run is not None and not run.finished and run.state is not RunState.PAUSED:
        move_run(tx, run, RunState.PAUSED, BRIDGE, why)


def _fail(tx: Transaction, step: Step, why: str) -> None:
    first = _first_cause(tx, step)
    body = {
        "step_state": advance(step.state, StepState.FAILED_TERMINAL),
        "summary": f"{why}; {first}" if first else why,
        "retryable": True,
        "reason": HaltCause.RUN_BUDGET,
    }
    tx.append(EventKind.STEP_SETTLED, body, run_id=step.run_id, step_id=step.id)


def _first_cause(queries: Queries, step: Step) -> str:
    """What the first attempt met, if there was one since a person last asked for the step."""
    if step.next_try is None:
        return ""
    attempts = queries.attempts(step.id)
    return told(attempts[len(attempts) + 1 - step.next_try.tries])
