"""Whether a run has used up its budget: pure, from what its attempts have used to words for a person."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from codencer.model.budget import RunBudget, Spent, dollars


@dataclass(frozen=True, kw_only=True)
class RunSpent:
    """What is known of a run; `unknown` attempts have not said all that its budget limits."""

    cost_microusd: int = 0
    tokens: int = 0
    agent_ms: int = 0
    unknown: int = 0


def run_spent(budget: RunBudget | None, ended: Sequence[Spent], under_way: Iterable[Spent] = ()) -> RunSpent:
    """Add up; of attempts under way what they have not said yet is no gap."""
    each = [*ended, *under_way]
    return RunSpent(
        cost_microusd=sum(one.cost_microusd or 0 for one in each),
        tokens=sum(one.tokens or 0 for one in each),
        agent_ms=sum(one.agent_ms or 0 for one in each),
        unknown=sum(_has_gap(budget or RunBudget(), one) for one in ended),
    )


def _has_gap(budget: RunBudget, spent: Spent) -> bool:
    pairs = (
        (budget.cost_microusd, spent.cost_microusd),
        (budget.tokens, spent.tokens),
        (budget.seconds, spent.agent_ms),
    )
    return any(limit is not None and used is None for limit, used in pairs)


def exceeded(budget: RunBudget, spent: RunSpent) -> str:
    """Why an agent at work has to stop: more was used than the budget allows. Empty when it may go on."""
    return _used_up([limit for limit in _limits(budget, spent) if limit.used > limit.most])


def nothing_left(budget: RunBudget, spent: RunSpent) -> str:
    """Why no further attempt may begin; empty when it may. What is not known may be too much."""
    if used := _used_up([limit for limit in _limits(budget, spent) if limit.used >= limit.most]):
        return used
    gaps = spent.unknown - budget.accepted_unknown
    if gaps <= 0:
        return ""
    agents = "1 attempt" if gaps == 1 else f"{gaps} attempts"
    return (
        f"{agents} did not say what was used up, so nobody knows what is left of the budget of the run "
        "(--accept-unknown takes it for nothing)"
    )


def milliseconds_left(budget: RunBudget, spent: RunSpent) -> int | None:
    """Of agents at work, together; None without a limit."""
    return None if budget.seconds is None else 1000 * budget.seconds - spent.agent_ms


@dataclass(frozen=True, kw_only=True)
class _Limit:
    used: int
    most: int
    words: str


def _limits(budget: RunBudget, spent: RunSpent) -> Iterable[_Limit]:
    cost, tokens, seconds = budget.cost_microusd, budget.tokens, budget.seconds
    if cost is not None:
        words = f"{dollars(spent.cost_microusd)} of {dollars(cost)} USD"
        yield _Limit(used=spent.cost_microusd, most=cost, words=words)
    if tokens is not None:
        yield _Limit(used=spent.tokens, most=tokens, words=f"{spent.tokens} of {tokens} tokens")
    if seconds is not None:
        words = f"{spent.agent_ms / 1000:.1f} of {seconds} s of agents at work"
        yield _Limit(used=spent.agent_ms, most=1000 * seconds, words=words)


def _used_up(limits: Sequence[_Limit]) -> str:
    return f"the budget of the run is used up: {', '.join(each.words for each in limits)}" if limits else ""
