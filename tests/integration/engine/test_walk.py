"""One task from submission to its verdict, on real git and real processes."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.errors import Conflict
from codencer.model.run import RunState
from codencer.model.step import StepState
from codencer.model.validation import ValidationState

Open = Callable[..., Any]

CHECK = {"name": "check", "command": "grep -q fixed code.txt"}


def git(top: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=top, capture_output=True, text=True, check=True).stdout.strip()


def alive(pids: list[str]) -> list[str]:
    return [pid for pid in pids if Path("/proc", pid).exists()]


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo(
        {"code.txt": "broken\n", "tests/test_code.txt": "expect fixed\n", ".gitignore": "*.log\n"}
    )


async def test_an_edit_that_passes_completes_and_leaves_all_its_evidence(
    repo: Path, open_engine: Open
) -> None:
    before = git(repo, "status", "--porcelain"), git(repo, "rev-parse", "HEAD")
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write code.txt fixed", validations=[CHECK])
        result = await house.engine.result(step.id)
        artifacts = {each.name: each for each in await house.engine.artifacts(step.id)}
        _, manifest_path = await house.engine.artifact(artifacts["manifest.json"].id)
        manifest = json.loads(manifest_path.read_bytes())
    assert step.state is StepState.COMPLETED
    assert [(change.path, change.status) for change in result.files_changed] == [("code.txt", "M")]
    assert [each.state for each in result.validations] == [ValidationState.PASSED]
    assert result.policy is not None
    assert result.policy.name == "basic"
    assert git(repo, "show", f"{result.snapshot_commit}:code.txt") == "fixed"
    assert git(repo, "rev-parse", f"refs/codencer/attempts/{result.attempt_id}") == result.snapshot_commit
    assert (git(repo, "status", "--porcelain"), git(repo, "rev-parse", "HEAD")) == before
    expected = {
        "input.txt",
        "task.json",
        "environment.json",
        "policy.json",
        "prompt.txt",
        "transcript.jsonl",
        "stdout.log",
        "stderr.log",
        "exit.json",
        "diff.patch",
        "changed_files.json",
        "validation-1.stdout.log",
        "validation-1.stderr.log",
        "validation-1.exit.json",
        "result.json",
        "manifest.json",
    }
    assert set(artifacts) == expected
    assert {each["name"] for each in manifest["artifacts"]} == expected - {"manifest.json"}
    assert manifest_path.stat().st_mode & 0o777 == 0o444


async def test_a_false_claim_is_a_failed_validation(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: say All tests pass now!", validations=[CHECK])
        result = await house.engine.result(step.id)
    assert step.state is StepState.FAILED_VALIDATION
    assert "check" in step.summary
    assert result.validations[0].exit_code == 1
    assert result.retryable


async def test_a_failed_warning_does_not_fail_the_step(repo: Path, open_engine: Open) -> None:
    warning = {**CHECK, "severity": "warning"}
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write other.txt x", validations=[warning])
    assert step.state is StepState.COMPLETED_WITH_WARNINGS


async def test_an_edit_of_a_protected_test_is_put_back_and_gates(repo: Path, open_engine: Open) -> None:
    check = {
        "name": "test",
        "command": "grep -q 'expect fixed' tests/test_code.txt",
        "protected_paths": ["tests/"],
    }
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write tests/test_code.txt anything", validations=[check])
        result = await house.engine.result(step.id)
        gates = await house.engine.gates()
        held = await house.engine.get_run("run")
        await house.engine.retry(step.id, "test")
        freed = await house.engine.get_run("run")
        assert (await house.settled(step)).state is StepState.NEEDS_APPROVAL
    assert step.state is StepState.NEEDS_APPROVAL
    assert result.validations[0].passed, "it ran on the validated tree, where the test is as it was"
    assert result.snapshot_tree != result.validated_tree
    assert [gate.id for gate in gates] == [result.gate_id]
    assert (held.state, freed.state) == (RunState.PAUSED_FOR_GATE, RunState.RUNNING)
    assert git(repo, "show", f"{result.snapshot_commit}:tests/test_code.txt") == "anything"


@pytest.mark.parametrize(
    ("scope", "state"),
    [
        ({"forbidden_paths": ["code.txt"]}, StepState.FAILED_TERMINAL),
        ({"allowed_paths": ["docs/"]}, StepState.NEEDS_APPROVAL),
        ({"allowed_paths": ["code.txt"]}, StepState.COMPLETED),
    ],
)
async def test_scope_is_enforced_on_what_the_agent_committed_too(
    repo: Path, open_engine: Open, scope: dict[str, Any], state: StepState
) -> None:
    goal = "simulate: write code.txt fixed\nsimulate: commit done"
    async with open_engine(repo) as house:
        step = await house.run_to_end(goal, **scope)
    assert step.state is state


async def test_work_that_cannot_all_be_kept_gates(repo: Path, open_engine: Open) -> None:
    goal = "simulate: write code.txt fixed\nsimulate: run mkdir .GIT && echo x > .GIT/x"
    async with open_engine(repo) as house:
        step = await house.run_to_end(goal, validations=[CHECK])
        result = await house.engine.result(step.id)
    assert step.state is StepState.NEEDS_APPROVAL
    assert [reason.partition(": ")[0] for reason in result.policy.reasons] == ["snapshot_incomplete"]
    assert "not in the snapshot: .GIT/x: git stores no path with this name" in result.warnings
    assert git(repo, "show", f"{result.snapshot_commit}:code.txt") == "fixed"


async def test_a_crash_is_the_adapters_failure_and_its_work_is_kept(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write half.txt done\nsimulate: crash")
        result = await house.engine.result(step.id)
    assert step.state is StepState.FAILED_ADAPTER
    assert git(repo, "show", f"{result.snapshot_commit}:half.txt") == "done"
    assert result.agent.signal


async def test_a_timeout_keeps_work_and_logs_and_leaves_no_process(
    repo: Path, open_engine: Open, write_agent: Callable[[str, str], list[str]], tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    agent = write_agent(
        "sleeper",
        "import os, subprocess, sys, time\n"
        "open('half.txt', 'w').write('half')\n"
        "nap = [sys.executable, '-c', 'import time; time.sleep(300)']\n"
        "child = subprocess.Popen(nap, start_new_session=True)\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "print('working', flush=True)\n"
        "time.sleep(300)\n",
    )
    configure(repo, sleeper=agent)
    async with open_engine(repo, sandbox="none") as house:
        step = await house.run_to_end(
            "sleep", is_simulation=False, adapter_profile="sleeper", timeout_seconds=1
        )
        result = await house.engine.result(step.id)
        logs = await house.engine.log_file(step.id)
        assert logs.path.read_text() == "working\n"
    assert step.state is StepState.TIMEOUT
    assert git(repo, "show", f"{result.snapshot_commit}:half.txt") == "half"
    assert alive(pids.read_text().split()) == []


async def test_steps_really_run_at_the_same_time_and_never_more_than_allowed(
    repo: Path, open_engine: Open, write_agent: Callable[[str, str], list[str]], tmp_path: Path
) -> None:
    hall = tmp_path / "hall"
    hall.mkdir()
    # Each agent waits until two are in the hall: alone in it, none would ever end.
    agent = write_agent(
        "meeter",
        "import os, pathlib, sys, time\n"
        f"hall = pathlib.Path({str(hall)!r})\n"
        "(hall / os.path.basename(os.getcwd())).touch()\n"
        "deadline = time.monotonic() + 50\n"
        "while len(list(hall.iterdir())) < 2:\n"
        "    if time.monotonic() > deadline: sys.exit(9)\n"
        "    time.sleep(0.01)\n",
    )
    configure(repo, meeter=agent)
    async with open_engine(repo, max_parallel="2", sandbox="none") as house:
        steps = [
            await house.submit(f"meet {n}", is_simulation=False, adapter_profile="meeter") for n in range(4)
        ]
        ended = [await house.settled(step) for step in steps]
        events = [event async for event in first(house.engine.events(), until_settled=4)]
    assert [step.state for step in ended] == [StepState.COMPLETED] * 4
    under_way, most = 0, 0
    for event in events:
        under_way += {"attempt.started": 1, "step.settled": -1}.get(event.kind, 0)
        most = max(most, under_way)
    assert most == 2
    started = [event.step_id for event in events if event.kind == "attempt.started"]
    assert started == [step.id for step in steps], "first come, first served"


async def first(events: Any, *, until_settled: int) -> Any:
    async for event in events:
        yield event
        until_settled -= event.kind == "step.settled"
        if until_settled == 0:
            return


async def test_cancel_stops_the_agent_and_keeps_what_it_did(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        step = await house.submit("simulate: write half.txt done\nsimulate: hang")
        await house.reached(step, "agent.started")
        await house.engine.cancel(step.id, "test")
        ended = await house.settled(step)
        with pytest.raises(Conflict):
            await house.engine.cancel(step.id, "test")
    assert ended.state is StepState.CANCELLED


async def test_a_queued_step_is_cancelled_without_ever_starting(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo, max_parallel="2") as house:
        busy = [await house.submit("simulate: hang") for _ in range(2)]
        waiting = await house.submit("simulate: write code.txt fixed")
        assert (await house.engine.cancel(waiting.id, "test")).state is StepState.CANCELLED
        for step in busy:
            await house.engine.cancel(step.id, "test")
        assert [(await house.settled(step)).state for step in busy] == [StepState.CANCELLED] * 2
        assert await house.engine.attempts(waiting.id) == []


async def test_aborting_a_run_ends_everything_in_it(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo, max_parallel="2") as house:
        steps = [await house.submit("simulate: hang") for _ in range(4)]
        await house.engine.change_run("run", "abort", "test")
        ended = [await house.settled(step) for step in steps]
        with pytest.raises(Conflict):
            await house.submit("simulate: say too late")
    assert [step.state for step in ended] == [StepState.CANCELLED] * 4


async def test_a_retry_is_a_new_attempt_from_the_same_base(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: say nothing", validations=[CHECK])
        first_result = await house.engine.result(step.id)
        git(repo, "commit", "--allow-empty", "-m", "HEAD moves on")
        await house.engine.retry(step.id, "test", feedback="look again")
        ended = await house.settled(step)
        second = await house.engine.result(step.id)
        attempts = await house.engine.attempts(step.id)
    assert ended.state is StepState.FAILED_VALIDATION
    assert [attempt.number for attempt in attempts] == [1, 2]
    assert attempts[1].feedback == "look again"
    assert (first_result.base_commit, second.revision) == (second.base_commit, 1)
    assert second.attempt_number == 2


async def test_completed_is_left_only_by_force(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write code.txt fixed")
        with pytest.raises(Conflict):
            await house.engine.retry(step.id, "test")
        assert (await house.engine.retry(step.id, "test", force=True)).state is StepState.PENDING
        assert (await house.settled(step)).state is StepState.COMPLETED


async def test_a_step_can_begin_where_another_ended_and_waits_for_it(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        first_step = await house.submit("simulate: sleep 0.3\nsimulate: write one.txt 1", step_id="one")
        second = await house.submit("simulate: write two.txt 2", base="step:one")
        assert second.base.commit is None
        ended = await house.settled(second)
        result = await house.engine.result(second.id)
        parent = await house.engine.result(first_step.id)
    assert ended.state is StepState.COMPLETED
    assert result.base_commit == parent.snapshot_commit
    assert [change.path for change in result.files_changed] == ["two.txt"]


async def test_landing_refuses_what_is_not_successful(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        bad = await house.run_to_end("simulate: write code.txt wrong", validations=[CHECK])
        good = await house.run_to_end("simulate: write code.txt fixed", validations=[CHECK])
        ask = {"form": "commit", "target": None, "checkout": str(repo)}
        with pytest.raises(Conflict):
            await house.engine.land(bad.id, "test", force=False, **ask)
        landed = await house.engine.land(good.id, "test", force=False, **ask)
    assert git(repo, "rev-parse", "HEAD") == landed.commit
    assert (repo / "code.txt").read_text() == "fixed\n"
    assert f"Codencer-Step: {good.id}" in git(repo, "log", "-1", "--format=%B")


async def test_a_provisioned_workspace_has_its_files_and_none_of_them_counts_as_work(
    repo: Path, open_engine: Open
) -> None:
    (repo / ".env").write_text("SECRET=1\n")
    (repo / "deps").mkdir()
    provisioning = {
        "copy": [".env"],
        "symlinks": ["deps"],
        "hooks": {"post_create": "echo prepared > hook.log; echo mine > made.txt; echo from the hook"},
    }
    folder = repo / ".codencer"
    folder.mkdir()
    (folder / "workspace.json").write_text(json.dumps({"provisioning": provisioning}))
    check = {
        "name": "there",
        "command": "test -f .env && test -L deps && grep -q prepared hook.log",
        "protected_paths": ["*.log", ".env"],
    }
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write code.txt fixed", validations=[check])
        result = await house.engine.result(step.id)
    assert step.state is StepState.COMPLETED, step.summary
    assert result.provisioning is not None
    assert "from the hook" in result.provisioning.log
    assert [change.path for change in result.files_changed] == ["code.txt"]


async def test_a_failing_hook_fails_the_step_before_any_agent_starts(repo: Path, open_engine: Open) -> None:
    folder = repo / ".codencer"
    folder.mkdir()
    hook = {"provisioning": {"hooks": {"post_create": "echo no network >&2; exit 3"}}}
    (folder / "workspace.json").write_text(json.dumps(hook))
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write code.txt fixed")
        result = await house.engine.result(step.id)
        kinds = [event.kind async for event in first(house.engine.events(step=step.id), until_settled=1)]
    assert (step.state, step.retryable) == (StepState.FAILED_TERMINAL, False)
    assert result.provisioning is not None
    assert result.provisioning.hook_status == "failed"
    assert "no network" in result.provisioning.log
    assert "agent.launching" not in kinds


async def test_the_daemon_may_go_away_while_an_agent_works(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        step = await house.submit("simulate: sleep 0.5\nsimulate: write code.txt fixed", validations=[CHECK])
        await house.reached(step, "agent.started")
    async with open_engine(repo) as house:
        ended = await house.settled(step)
        launches = [
            event
            async for event in first(house.engine.events(step=step.id), until_settled=1)
            if event.kind == "agent.launching"
        ]
    assert ended.state is StepState.COMPLETED
    assert len(launches) == 1


async def test_ids_never_collide_however_fast_they_come(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        one = await house.submit("simulate: say once")
        assert await house.engine.get_step("latest") == await house.engine.get_step(one.id)
        many = await asyncio.gather(*(house.submit(f"simulate: say {n}") for n in range(20)))
        assert len({step.id for step in many}) == 20
        assert len({step.name for step in many}) == 20
        for step in many:
            assert (await house.settled(step)).state is StepState.COMPLETED


def configure(repo: Path, **agents: list[str]) -> None:
    folder = repo / ".codencer"
    folder.mkdir(exist_ok=True)
    tables = (f"[adapters.{name}]\ncommand = {json.dumps(argv)}\n" for name, argv in agents.items())
    (folder / "config.toml").write_text("\n".join(tables))
