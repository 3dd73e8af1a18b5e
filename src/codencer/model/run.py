"""A run: a mission of the planner, a named container of steps."""

from dataclasses import dataclass
from enum import StrEnum

from codencer.model.budget import RunBudget


class RunState(StrEnum):
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    PAUSED_FOR_GATE = "paused_for_gate"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


BY_HAND = "paused"
"""The reason of a run that a person paused, who knows why."""

FINISHED_RUN_STATES = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED})


@dataclass(frozen=True, kw_only=True)
class RunLabels:
    """Free text of the planner, only used to filter."""

    project_id: str = ""
    conversation: str = ""
    planner: str = ""
    executor: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """`created_at` and `updated_at` are UTC microseconds since 1970; `reason` says why it is in its state."""

    id: str
    state: RunState
    labels: RunLabels
    created_at: int
    updated_at: int
    steps_total: int = 0
    steps_unsettled: int = 0
    reason: str = ""
    budget: RunBudget | None = None

    @property
    def finished(self) -> bool:
        return self.state in FINISHED_RUN_STATES
