"""What a run may use up, and what attempts have used: whole millionths of a dollar, tokens, seconds."""

from dataclasses import dataclass
from enum import StrEnum


class BudgetAction(StrEnum):
    """What becomes of a run that has used up its budget."""

    PAUSE = "pause"
    """It is paused until a person gives it more; an agent at work is stopped and goes on afterwards."""
    FAIL = "fail"
    """An agent at work is stopped, and steps that have not begun fail."""


@dataclass(frozen=True, kw_only=True)
class RunBudget:
    """What all attempts of a run may use up together; None is no limit.

    `seconds` are those of agents at work, added up. Of attempts whose agents did not say what they
    used, a person has accepted so many.
    """

    cost_microusd: int | None = None
    tokens: int | None = None
    seconds: int | None = None
    action: BudgetAction = BudgetAction.PAUSE
    accepted_unknown: int = 0

    @property
    def limits(self) -> bool:
        return not self.cost_microusd is self.tokens is self.seconds is None


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Millionths of a dollar, tokens in and out, milliseconds of agents at work; None is unknown."""

    cost_microusd: int | None = None
    tokens: int | None = None
    agent_ms: int | None = None


def dollars(microusd: int) -> str:
    """An amount for people: exact, and without needless zeros."""
    whole, part = divmod(microusd, 1_000_000)
    return f"{whole}.{part:06d}".rstrip("0").rstrip(".")
