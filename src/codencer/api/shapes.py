"""What runs and steps look like as JSON, for the OpenAPI document; `engine.views` makes them."""

from dataclasses import dataclass
from typing import Any

from codencer.engine.live import Live
from codencer.model.budget import BudgetAction
from codencer.model.run import RunState
from codencer.model.step import StepState


@dataclass(frozen=True, kw_only=True)
class BudgetView:
    """What all attempts of a run may use up together; null is no limit."""

    cost_usd: str | None
    tokens: int | None
    seconds: int | None
    action: BudgetAction
    accepted_unknown: int


@dataclass(frozen=True, kw_only=True)
class SpentView:
    """What is known to be used up; `unknown` attempts have not said all that the budget limits."""

    cost_usd: str
    tokens: int
    seconds: int
    unknown: int


@dataclass(frozen=True, kw_only=True)
class RunView:
    """`reason` says why the run is in its state; lists leave `spent` out."""

    id: str
    state: RunState
    reason: str
    project_id: str
    conversation: str
    planner: str
    executor: str
    budget: BudgetView | None
    spent: SpentView | None
    steps_total: int
    steps_unsettled: int
    created_at: str
    updated_at: str


@dataclass(frozen=True, kw_only=True)
class StepView:
    id: str
    run_id: str
    name: str
    title: str
    state: StepState
    settled: bool
    revision: int
    adapter: str
    policy: str
    base: dict[str, Any]
    attempts: int
    attempt_id: str | None
    cancel_requested: bool
    summary: str
    waiting: str | None
    live: Live | None
    priority: int
    is_simulation: bool
    retryable: bool
    created_at: str
    updated_at: str
