"""Budgets of steps and runs: kept before an attempt begins, and while an agent says what it uses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.engine.budgets import Allowance
from codencer.errors import Conflict, InvalidInput
from codencer.ledger import verify
from codencer.model.attempt import Ending, HaltCause
from codencer.model.budget import BudgetAction
from codencer.model.run import RunLabels, RunState
from codencer.model.step import StepState

Open = Callable[..., Any]

SPEND = "simulate: spend 100 400000\n"
HANG = f"simulate: write half.txt x\n{SPEND}simulate: hang"


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo({"code.txt": "broken\n"})


@pytest.fixture
def policy(repo: Path) -> Callable[..., dict[str, Any]]:
    """`policy(fail_when=…)` writes a policy of the team's and returns the key of a task that names it."""

    def write(**blocks: dict[str, object]) -> dict[str, Any]:
        folder = repo / ".codencer" / "policies"
        folder.mkdir(parents=True, exist_ok=True)
        document = {"version": "v1", "name": "thrifty", "continue_when": {}, **blocks}
        (folder / "thrifty.yaml").write_text(json.dumps(document))
        return {"policy_bundle": "thrifty"}

    return write


def audited(repo: Path) -> None:
    report = verify(repo / ".git" / "codencer" / "codencer.db")
    assert report.ok, report


async def paused(house: Any, run: str = "run") -> Any:
    """Wait, by event, until the run is paused."""
    async for event in house.engine.events(run=run):
        if event.kind == "run.advanced" and event.body["state"] == "paused":
            return await house.engine.get_run(run)
    raise AssertionError("the engine closed before the run was paused")


async def started(house: Any, **budget: Any) -> None:
    await house.engine.start_run("run", RunLabels(), "test", Allowance(**budget))


async def test_an_agent_at_work_is_stopped_once_its_step_can_only_fail(
    repo: Path, open_engine: Open, policy: Callable[..., Any]
) -> None:
    rules = policy(fail_when={"cost_usd_over": 0.3}, retry_when={"adapter_process_failed": True})
    async with open_engine(repo) as house:
        step = await house.run_to_end(HANG, **rules)
        (attempt,) = await house.engine.attempts(step.id)
        result = await house.engine.result(step.id)
    reason = "cost_usd_over: 0.4 USD were spent, more than 0.3"
    assert (step.state, step.summary) == (
        StepState.FAILED_TERMINAL,
        f"simulation was stopped: {reason}",
    )
    assert (attempt.halt.cause, attempt.halt.reason) == (HaltCause.STEP_BUDGET, reason)
    assert (attempt.outcome.ending, attempt.facts.halt) == (Ending.HALTED, HaltCause.STEP_BUDGET)
    assert result.policy.reasons == (reason,)
    assert [each.path for each in result.files_changed] == ["half.txt"], "its work is kept"
    audited(repo)


async def test_a_limit_of_time_stops_it_too(
    repo: Path, open_engine: Open, policy: Callable[..., Any]
) -> None:
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: hang", **policy(fail_when={"agent_seconds_over": 1}))
        (attempt,) = await house.engine.attempts(step.id)
    assert step.state is StepState.FAILED_TERMINAL
    assert attempt.halt.reason.startswith("agent_seconds_over: agents worked 1.")


@pytest.mark.parametrize(("said", "why"), [(SPEND, "0.4 USD were spent"), ("", "nobody knows what is left")])
async def test_policy_does_not_try_again_over_a_budget_or_without_knowing(
    repo: Path, open_engine: Open, policy: Callable[..., Any], said: str, why: str
) -> None:
    rules = policy(gate_when={"cost_usd_over": 0.3}, retry_when={"adapter_process_failed": True})
    async with open_engine(repo) as house:
        step = await house.run_to_end(f"{said}simulate: fail 3", **rules)
        result = await house.engine.result(step.id)
    assert (step.state, step.attempts) == (StepState.FAILED_ADAPTER, 1)
    assert "exited with code 3" in step.summary
    assert result.policy.reasons[-1].startswith("budget_used_up: ")
    assert why in result.policy.reasons[-1]


async def test_a_budget_that_gates_asks_about_what_was_done(
    repo: Path, open_engine: Open, policy: Callable[..., Any]
) -> None:
    async with open_engine(repo) as house:
        step = await house.run_to_end(
            f"{SPEND}simulate: write code.txt fixed", **policy(gate_when={"tokens_over": 99})
        )
    assert (step.state, step.summary) == (
        StepState.NEEDS_APPROVAL,
        "tokens_over: 100 tokens were used, more than 99",
    )


async def test_no_attempt_begins_once_the_budget_of_its_run_is_used_up(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        await started(house, cost_usd="0.4")
        first = await house.run_to_end(f"{SPEND}simulate: say done")
        second = await house.submit("simulate: say done")
        run = await paused(house)
        waiting = await house.engine.get_step(second.id)
        with pytest.raises(Conflict, match="stays paused: the budget of the run is used up: 0.4 of 0.4 USD"):
            await house.engine.change_run("run", "resume", "test")
    assert first.state is StepState.COMPLETED
    assert (waiting.state, waiting.attempts) == (StepState.PENDING, 0)
    assert run.reason == "the budget of the run is used up: 0.4 of 0.4 USD"
    async with open_engine(repo) as house:
        reason = house.engine.waiting_reason(await house.engine.get_step(second.id))
        assert reason == f"run run is paused: {run.reason}"
        await house.engine.set_budget("run", Allowance(cost_usd="1", tokens=1000), "test")
        resumed = await house.engine.change_run("run", "resume", "test")
        ended = await house.settled(second)
        spent = await house.engine.spent(resumed)
    assert (resumed.state, ended.state) == (RunState.RUNNING, StepState.COMPLETED)
    assert (spent.cost_microusd, spent.tokens, spent.unknown) == (400_000, 100, 1)
    audited(repo)


async def test_without_a_word_of_the_agent_the_run_asks(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        await started(house, tokens=1000)
        await house.run_to_end("simulate: say done")
        second = await house.submit("simulate: say done")
        run = await paused(house)
        assert run.reason.startswith("1 attempt did not say what was used up")
        await house.engine.set_budget("run", Allowance(tokens=1000, accept_unknown=True), "test")
        await house.engine.change_run("run", "resume", "test")
        assert (await house.settled(second)).state is StepState.COMPLETED


async def test_steps_of_a_run_that_is_to_fail_fail_with_their_first_cause(
    repo: Path, open_engine: Open, policy: Callable[..., Any]
) -> None:
    rules = policy(retry_when={"adapter_process_failed": True, "max_attempts": 3})
    async with open_engine(repo) as house:
        await started(house, tokens=150, action=BudgetAction.FAIL)
        tried = await house.run_to_end(f"{SPEND}simulate: fail 3", **rules)
        never = await house.run_to_end("simulate: say done")
        run = await house.engine.get_run("run")
        attempts = await house.engine.attempts(tried.id)
    used_up = "the budget of the run is used up: 200 of 150 tokens"
    assert [each.result_state for each in attempts] == [StepState.FAILED_RETRYABLE] * 2
    assert (tried.state, tried.retryable) == (StepState.FAILED_TERMINAL, True)
    assert tried.summary.startswith(f"{used_up}; attempt 1 (simulation): simulation exited with code 3")
    assert (never.state, never.summary, never.attempts) == (StepState.FAILED_TERMINAL, used_up, 0)
    assert run.state is RunState.RUNNING
    audited(repo)


async def test_an_agent_that_its_run_cannot_pay_is_stopped_and_goes_on_when_it_can(
    repo: Path, open_engine: Open, tmp_path: Path
) -> None:
    met = tmp_path / "met"
    goal = (
        f"simulate: run test -e {met} || {{ touch {met}; echo x > half.txt; }}\n"
        f"simulate: spend 100 400000\nsimulate: run test -e half.txt -a ! -e {tmp_path}/more && sleep 60\n"
        "simulate: run cp half.txt whole.txt"
    )
    async with open_engine(repo, sandbox="none") as house:
        await started(house, cost_usd="0.3")
        step = await house.submit(goal.replace("&& sleep 60", "&& sleep 60 || true"))
        await house.reached(step, "step.retry_planned")
        held = await house.engine.get_step(step.id)
        (tmp_path / "more").touch()
        run = await house.engine.get_run("run")
    assert (run.state, held.state) == (RunState.PAUSED, StepState.FAILED_RETRYABLE)
    assert held.summary == "simulation was stopped: the budget of the run is used up: 0.4 of 0.3 USD"
    async with open_engine(repo, sandbox="none") as house:
        await house.engine.set_budget("run", Allowance(cost_usd="2"), "test")
        await house.engine.change_run("run", "resume", "test")
        ended = await house.settled(step)
        one, two = await house.engine.attempts(step.id)
        result = await house.engine.result(step.id)
    assert ended.state is StepState.COMPLETED, ended.summary
    assert (one.halt.cause, two.begins_at) == (HaltCause.RUN_PAUSED, one.snapshot.commit)
    assert [each.path for each in result.files_changed] == ["half.txt", "whole.txt"]
    assert result.warnings[0].startswith("attempt 1 (simulation): simulation was stopped")
    audited(repo)


async def test_agents_of_one_run_share_its_time(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        await started(house, seconds=2, action=BudgetAction.FAIL)
        steps = [await house.submit("simulate: hang") for _ in range(2)]
        ended = [await house.settled(each) for each in steps]
        spent = await house.engine.spent(await house.engine.get_run("run"))
    assert {each.state for each in ended} == {StepState.FAILED_TERMINAL}
    assert 2000 < spent.agent_ms < 8000


async def test_a_budget_that_is_set_while_an_agent_is_at_work_holds_for_it(
    repo: Path, open_engine: Open
) -> None:
    async with open_engine(repo) as house:
        step = await house.submit(HANG)
        await house.reached(step, "agent.started")
    async with open_engine(repo) as house:
        await house.engine.set_budget("run", Allowance(tokens=50, action=BudgetAction.FAIL), "test")
        ended = await house.settled(step)
    assert ended.state is StepState.FAILED_TERMINAL
    assert "100 of 50 tokens" in ended.summary


@pytest.mark.parametrize("action", list(BudgetAction))
async def test_an_agent_that_rests_does_not_go_on_without_a_budget(
    repo: Path, open_engine: Open, action: BudgetAction
) -> None:
    goal = f"simulate: session talk\n{SPEND}simulate: quota 0.3\nsimulate: write code.txt fixed"
    async with open_engine(repo) as house:
        await started(house, cost_usd="0.4", action=action)
        step = await house.submit(goal)
        if action is BudgetAction.FAIL:
            ended = await house.settled(step)
            assert ended.state is StepState.FAILED_TERMINAL
            assert "not resumed while it waited for its quota to pass" in ended.summary
            return
        await paused(house)
        await house.engine.set_budget("run", Allowance(cost_usd="1"), "test")
        await house.engine.change_run("run", "resume", "test")
        ended = await house.settled(step)
    assert (ended.state, ended.attempts) == (StepState.COMPLETED, 1)


async def test_one_that_is_held_back_can_be_cancelled(repo: Path, open_engine: Open) -> None:
    goal = f"simulate: session talk\n{SPEND}simulate: quota 0.1\nsimulate: write code.txt fixed"
    async with open_engine(repo) as house:
        await started(house, cost_usd="0.4")
        resting, pending = await house.submit(goal), await house.submit("simulate: say x", base="step:1")
        await paused(house)
        await house.engine.cancel(pending.id, "test")
        await house.engine.cancel(resting.id, "test")
        assert {(await house.settled(each)).state for each in (resting, pending)} == {StepState.CANCELLED}


async def test_an_impossible_budget_is_refused(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        for wrong in ({"cost_usd": "1e3"}, {"cost_usd": "-1"}, {"tokens": -1}, {"seconds": 2**60}):
            with pytest.raises(InvalidInput):
                await started(house, **wrong)
        await started(house, cost_usd="1.5")
        await house.engine.change_run("run", "abort", "test")
        with pytest.raises(Conflict):
            await house.engine.set_budget("run", Allowance(), "test")
