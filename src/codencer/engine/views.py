"""The one JSON shape of runs and steps; every other noun is shown as the codec encodes it."""

from typing import Any

from codencer.engine.live import Live
from codencer.engine.result import timestamp
from codencer.model.budget import RunBudget, dollars
from codencer.model.codec import encode
from codencer.model.run import Run
from codencer.model.step import Step
from codencer.policy import RunSpent


def run_view(run: Run, spent: RunSpent | None = None) -> dict[str, Any]:
    """`spent` is what the run has used up, where somebody has looked."""
    return {
        "id": run.id,
        "state": run.state.value,
        "reason": run.reason,
        **encode(run.labels),
        "budget": _budget(run.budget) if run.budget is not None else None,
        "spent": _spent(spent) if spent is not None else None,
        "steps_total": run.steps_total,
        "steps_unsettled": run.steps_unsettled,
        "created_at": timestamp(run.created_at),
        "updated_at": timestamp(run.updated_at),
    }


def _budget(budget: RunBudget) -> dict[str, Any]:
    cost = budget.cost_microusd
    return {
        "cost_usd": None if cost is None else dollars(cost),
        "tokens": budget.tokens,
        "seconds": budget.seconds,
        "action": budget.action.value,
        "accepted_unknown": budget.accepted_unknown,
    }


def _spent(spent: RunSpent) -> dict[str, Any]:
    return {
        "cost_usd": dollars(spent.cost_microusd),
        "tokens": spent.tokens,
        "seconds": spent.agent_ms // 1000,
        "unknown": spent.unknown,
    }


def step_view(step: Step, waiting: str | None = None, live: Live | None = None) -> dict[str, Any]:
    """`waiting` says why a step that should go on does not; `live` what its attempt is doing."""
    return {
        "id": step.id,
        "run_id": step.run_id,
        "name": step.name,
        "title": step.title,
        "state": step.state.value,
        "settled": step.settled,
        "revision": step.revision,
        "adapter": step.adapter,
        "policy": step.policy,
        "base": encode(step.base),
        "attempts": step.attempts,
        "attempt_id": step.latest_attempt_id,
        "cancel_requested": step.cancel_requested,
        "summary": step.summary,
        "waiting": waiting,
        "live": encode(live),
        "priority": step.frozen.priority,
        "is_simulation": step.simulated,
        "retryable": step.retryable,
        "created_at": timestamp(step.created_at),
        "updated_at": timestamp(step.updated_at),
    }
