"""Attempts that policy adds: by whom, when, from where; and what may happen while one is awaited."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.errors import InvalidInput, Untrusted
from codencer.model.run import RunState
from codencer.model.step import StepState

Open = Callable[..., Any]
Write = Callable[[str, str], list[str]]


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo({"code.txt": "broken\n"})


@pytest.fixture
def policy(repo: Path) -> Callable[..., dict[str, Any]]:
    """`policy(retry_when)` writes a policy of the team's and returns the key of a task that names it."""

    def write(**retry_when: object) -> dict[str, Any]:
        folder = repo / ".codencer" / "policies"
        folder.mkdir(parents=True, exist_ok=True)
        document = {"version": "v1", "name": "again", "retry_when": retry_when, "continue_when": {}}
        (folder / "again.yaml").write_text(json.dumps(document))
        return {"policy_bundle": "again"}

    return write


@pytest.fixture
def once(tmp_path: Path) -> Callable[[str], str]:
    """A directive that does something the first time it is met, and nothing ever after."""

    def directive(command: str) -> str:
        met = tmp_path / "met"
        return f"simulate: run test -e {met} || {{ touch {met}; {command}; }}\n"

    return directive


def configure(repo: Path, **agents: list[str]) -> None:
    tables = (f"[adapters.{name}]\ncommand = {json.dumps(argv)}\n" for name, argv in agents.items())
    (repo / ".codencer").mkdir(exist_ok=True)
    (repo / ".codencer" / "config.toml").write_text("\n".join(tables))


def shown(repo: Path, what: str) -> bytes:
    return subprocess.run(["git", "show", what], cwd=repo, capture_output=True, check=True).stdout


async def test_a_crash_is_tried_again_and_its_cause_stays_visible(
    repo: Path, open_engine: Open, policy: Callable[..., Any], once: Callable[[str], str]
) -> None:
    async with open_engine(repo, sandbox="none") as house:
        goal = once("exit 3") + "simulate: write code.txt fixed"
        step = await house.run_to_end(goal, **policy(adapter_process_failed=True, backoff_seconds=0))
        result = await house.engine.result(step.id)
        attempts = await house.engine.attempts(step.id)
    assert (step.state, step.revision, step.attempts) == (StepState.COMPLETED, 0, 2)
    assert [(each.tries, each.result_state) for each in attempts] == [
        (1, StepState.FAILED_RETRYABLE),
        (2, StepState.COMPLETED),
    ]
    assert attempts[0].verdict.fired == ("adapter_process_failed",)
    assert "exited with code 3" in attempts[1].feedback
    assert result.attempt_number == 2
    assert result.warnings[0].startswith("attempt 1 (simulation): simulation exited with code 3")


async def test_when_the_attempts_are_used_up_the_first_cause_is_told(
    repo: Path, open_engine: Open, policy: Callable[..., Any], once: Callable[[str], str]
) -> None:
    retrying = policy(adapter_process_failed=True, max_attempts=3)
    async with open_engine(repo, sandbox="none") as house:
        step = await house.run_to_end(once("exit 3") + "simulate: fail 4", **retrying)
        result = await house.engine.result(step.id)
        again = await house.engine.retry(step.id, "test")
        later = await house.settled(again)
    assert (step.state, step.attempts, step.retryable) == (StepState.FAILED_ADAPTER, 3, True)
    assert "exited with code 4" in step.summary
    assert "attempt 1 (simulation): simulation exited with code 3" in step.summary
    assert result.policy.reasons[-1] == "attempts_used_up: this was attempt 3 of 3"
    assert later.attempts == 6, "a person's word gives as many again"
    assert "code 3" not in later.summary, "and the causes from before are over"


async def test_the_next_adapter_takes_over_and_both_are_named(
    repo: Path, open_engine: Open, policy: Callable[..., Any], write_agent: Write
) -> None:
    broken = write_agent("broken", "raise SystemExit(7)")
    working = write_agent("working", "open('code.txt', 'w').write('fixed')")
    configure(repo, first=broken, second=broken, third=working)
    retrying = policy(adapter_process_failed=True, next_adapter=True, max_attempts=5)
    task = {
        "is_simulation": False,
        "adapter_profile": "first",
        "fallback_adapters": ["second", "third"],
        **retrying,
    }
    async with open_engine(repo) as house:
        step = await house.submit("mend it", **task)
        # What is in the file by the time the others begin does not matter any more.
        configure(repo, first=broken)
        step = await house.settled(step)
        result = await house.engine.result(step.id)
        attempts = await house.engine.attempts(step.id)
    assert step.state is StepState.COMPLETED
    assert [each.adapter for each in attempts] == ["first", "second", "third"]
    assert (result.adapter, result.requested_adapter) == ("third", "first")
    assert [each.split(":")[0] for each in result.warnings] == ["attempt 1 (first)", "attempt 2 (second)"]


async def test_when_the_last_adapter_fails_too_the_first_cause_is_told(
    repo: Path, open_engine: Open, policy: Callable[..., Any], write_agent: Write
) -> None:
    agents = {"first": "raise SystemExit(7)", "second": "raise SystemExit(9)"}
    configure(repo, **{name: write_agent(name, source) for name, source in agents.items()})
    retrying = policy(adapter_process_failed=True, next_adapter=True)
    task = {"is_simulation": False, "adapter_profile": "first", "fallback_adapters": ["second"], **retrying}
    async with open_engine(repo) as house:
        step = await house.run_to_end("mend it", **task)
        result = await house.engine.result(step.id)
    first_cause = "attempt 1 (first): first exited with code 7"
    assert (step.state, step.attempts) == (StepState.FAILED_ADAPTER, 2)
    assert "second exited with code 9" in step.summary
    assert first_cause in step.summary
    assert [first_cause in warning for warning in result.warnings] == [True]


async def test_fallback_adapters_are_known_and_trusted_like_the_first(
    repo: Path, open_engine: Open, write_agent: Write
) -> None:
    configure(repo, other=write_agent("other", ""))
    task = {"is_simulation": False, "adapter_profile": "simulation"}
    async with open_engine(repo) as house:
        with pytest.raises(InvalidInput, match="unknown adapter 'nobody'"):
            await house.submit("x", fallback_adapters=["nobody"], **task)
        house.trust = False
        with pytest.raises(Untrusted, match="adapter other"):
            await house.submit("x", fallback_adapters=["other"], **task)


async def test_a_retry_from_the_snapshot_goes_on_where_the_attempt_before_ended(
    repo: Path, open_engine: Open, policy: Callable[..., Any], once: Callable[[str], str]
) -> None:
    hook = {"provisioning": {"hooks": {"post_create": "echo provisioned > made.txt"}}}
    (repo / ".codencer").mkdir()
    (repo / ".codencer" / "workspace.json").write_text(json.dumps(hook))
    # What the first agent ignores must not hide what the second one writes.
    first = "mkdir -p new; echo half > new/half.txt; echo 1 > code.txt; echo 'late*' > .gitignore; exit 1"
    goal = once(first) + "simulate: run grep -q 1 code.txt && cat new/half.txt made.txt > late.txt"
    retrying = policy(adapter_process_failed=True, **{"from": "snapshot"})
    async with open_engine(repo, sandbox="none") as house:
        step = await house.run_to_end(goal, **retrying)
        result = await house.engine.result(step.id)
        one, two = await house.engine.attempts(step.id)
    assert step.state is StepState.COMPLETED, step.summary
    assert (one.begins_at, two.begins_at) == (None, one.snapshot.commit)
    assert [(each.path, each.status) for each in result.files_changed] == [
        (".gitignore", "A"),
        ("code.txt", "M"),
        ("late.txt", "A"),
        ("new/half.txt", "A"),
    ]
    assert shown(repo, f"{result.snapshot_commit}:late.txt") == b"half\nprovisioned\n"


async def test_failed_tests_and_a_refusal_can_be_tried_again_too(
    repo: Path, open_engine: Open, policy: Callable[..., Any], once: Callable[[str], str]
) -> None:
    check = {"name": "check", "command": "grep -q fixed code.txt"}
    goal = (
        "simulate: run echo >> count\n"
        "simulate: run test $(wc -l < count) -ne 1 || echo '{\"needs_human_decision\": true}'"
        " > $CODENCER_RESULT_FILE\n"
        "simulate: run test $(wc -l < count) -lt 3 || echo fixed > code.txt"
    )
    rules = {"tests_failed": True, "agent_declined": True, "max_attempts": 3, "from": "snapshot"}
    async with open_engine(repo) as house:
        step = await house.run_to_end(goal, validations=[check], **policy(**rules))
        attempts = await house.engine.attempts(step.id)
    assert step.state is StepState.COMPLETED, step.summary
    assert [each.verdict.fired for each in attempts[:2]] == [("agent_declined",), ("tests_failed",)]
    assert "validation check failed: exit code 1" in attempts[2].feedback


async def test_a_timeout_is_tried_again_once(
    repo: Path, open_engine: Open, policy: Callable[..., Any]
) -> None:
    rules = policy(timeout_once=True, max_attempts=5)
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: hang", timeout_seconds=1, **rules)
        attempts = await house.engine.attempts(step.id)
    assert (step.state, step.attempts) == (StepState.TIMEOUT, 2)
    assert [each.facts.timeouts for each in attempts] == [1, 2]


LONG = {"adapter_process_failed": True, "backoff_seconds": 3600}


async def test_cancelling_while_it_waits_ends_it_at_once(
    repo: Path, open_engine: Open, policy: Callable[..., Any]
) -> None:
    async with open_engine(repo) as house:
        one, two = [await house.submit("simulate: fail", **policy(**LONG)) for _ in range(2)]
        for step in (one, two):
            await house.reached(step, "step.retry_planned")
        waiting = await house.engine.get_step(one.id)
        reason = house.engine.waiting_reason(waiting)
        assert (waiting.state, waiting.settled) == (StepState.FAILED_RETRYABLE, False)
        assert (await house.engine.cancel(one.id, "test")).state is StepState.CANCELLED
        assert (await house.engine.change_run("run", "abort", "test")).state is RunState.CANCELLED
        for step in (one, two):
            now = await house.engine.get_step(step.id)
            assert (now.state, now.next_try, house.engine.waiting_reason(now)) == (
                StepState.CANCELLED,
                None,
                None,
            )
    assert reason.startswith("tried again at ")
    assert " UTC, attempt 2 of 2 by simulation; the one before: simulation exited with code 1" in reason


async def test_a_restart_keeps_the_moment_of_the_next_try(
    repo: Path, open_engine: Open, policy: Callable[..., Any], once: Callable[[str], str]
) -> None:
    goal = once("exit 1") + "simulate: say done"
    async with open_engine(repo, sandbox="none") as house:
        long = await house.submit("simulate: fail", run="long", **policy(**LONG))
        short = await house.submit(goal, **policy(adapter_process_failed=True, backoff_seconds=1))
        for step in (long, short):
            await house.reached(step, "step.retry_planned")
        planned = (await house.engine.get_step(long.id)).next_try
    async with open_engine(repo, sandbox="none") as house:
        now = await house.engine.get_step(long.id)
        assert now.next_try == planned
        assert "attempt 2 of 2 by simulation" in house.engine.waiting_reason(now)
        assert (await house.settled(short)).state is StepState.COMPLETED
        assert (await house.engine.cancel(long.id, "test")).state is StepState.CANCELLED


async def test_others_go_on_while_one_waits(
    repo: Path, open_engine: Open, policy: Callable[..., Any]
) -> None:
    async with open_engine(repo, max_parallel="1") as house:
        waiting = await house.submit("simulate: fail", **policy(**LONG))
        assert (await house.run_to_end("simulate: say hello")).state is StepState.COMPLETED
        assert not (await house.engine.get_step(waiting.id)).settled
