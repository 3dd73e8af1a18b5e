"""What is left of the budget of a run: a pure function of what its attempts have used up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.model.budget import RunBudget, Spent, dollars
from codencer.policy import RunSpent, exceeded, milliseconds_left, nothing_left, run_spent

amounts = st.none() | st.integers(0, 5)
spents = st.builds(Spent, cost_microusd=amounts, tokens=amounts, agent_ms=amounts)
budgets = st.builds(RunBudget, cost_microusd=amounts, tokens=amounts, seconds=amounts)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (RunBudget(), ""),
        (RunBudget(cost_microusd=2_500_001, tokens=101, seconds=3), ""),
        (RunBudget(cost_microusd=2_500_000), "2.5 of 2.5 USD"),
        (RunBudget(tokens=100), "100 of 100 tokens"),
        (RunBudget(seconds=2), "2.0 of 2 s of agents at work"),
        (RunBudget(cost_microusd=0, seconds=1), "2.5 of 0 USD, 2.0 of 1 s of agents at work"),
    ],
)
def test_each_limit_has_its_words(budget: RunBudget, words: str) -> None:
    spent = run_spent(budget, [Spent(cost_microusd=2_500_000, tokens=100, agent_ms=2000)])
    assert nothing_left(budget, spent) == (f"the budget of the run is used up: {words}" if words else "")


def test_an_agent_at_work_may_use_all_of_it_and_a_new_one_needs_something() -> None:
    budget, all_of_it = RunBudget(tokens=10), RunSpent(tokens=10)
    assert nothing_left(budget, all_of_it)
    assert not exceeded(budget, all_of_it)
    assert exceeded(budget, RunSpent(tokens=11))


def test_only_what_is_limited_has_to_be_known_and_a_person_may_accept_gaps() -> None:
    silent = Spent(tokens=1, agent_ms=1)
    assert not nothing_left(RunBudget(tokens=5), run_spent(RunBudget(tokens=5), [silent]))
    budget = RunBudget(cost_microusd=5)
    spent = run_spent(budget, [silent, silent])
    assert nothing_left(budget, spent).startswith("2 attempts did not say")
    assert nothing_left(RunBudget(cost_microusd=5, accepted_unknown=1), spent).startswith("1 attempt did")
    assert not nothing_left(RunBudget(cost_microusd=5, accepted_unknown=2), spent)
    assert run_spent(budget, [], [silent]).unknown == 0, "it may still say so"


def test_time_that_is_left() -> None:
    assert milliseconds_left(RunBudget(tokens=1), RunSpent()) is None
    assert milliseconds_left(RunBudget(seconds=2), RunSpent(agent_ms=500)) == 1500


@given(budgets, st.lists(spents, max_size=3), st.lists(spents, max_size=2), spents)
def test_more_that_was_used_never_leaves_more(
    budget: RunBudget, ended: list[Spent], under_way: list[Spent], another: Spent
) -> None:
    before, after = run_spent(budget, ended, under_way), run_spent(budget, [*ended, another], under_way)
    for rule in (nothing_left, exceeded):
        assert not rule(budget, before) or rule(budget, after)
    assert not exceeded(budget, before) or nothing_left(budget, before)


@given(st.integers(0, 10**15))
def test_dollars_are_exact(microusd: int) -> None:
    whole, _, part = dollars(microusd).partition(".")
    assert int(whole) * 1_000_000 + int(part.ljust(6, "0") or 0) == microusd
    assert not part.endswith("0")
