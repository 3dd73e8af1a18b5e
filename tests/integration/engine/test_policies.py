"""What policies see of a real change, and what becomes of it."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.errors import InvalidInput, MalformedInput
from codencer.model.step import StepState

Open = Callable[..., Any]
Write = Callable[..., dict[str, Any]]


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo({"code.txt": "broken\n", "package.json": "{}\n", "old.txt": "x\n"})


@pytest.fixture
def policy(repo: Path) -> Write:
    """`policy(block={…})` writes a policy of the team's and returns the key of a task that names it."""

    def write(name: str = "ours", **blocks: object) -> dict[str, Any]:
        folder = repo / ".codencer" / "policies"
        folder.mkdir(parents=True, exist_ok=True)
        document = {"version": "v1", "name": name, "continue_when": {}, **blocks}
        (folder / f"{name}.yaml").write_text(json.dumps(document))
        return {"policy_bundle": name}

    return write


TOKEN = "gh" + "p_" + "a1" * 18
WRONG = {
    "secrets_detected": (f"simulate: write src/a.py token={TOKEN}", "added: src/a.py:1 (GitHub token)"),
    "conflict_markers_present": ("simulate: write a.txt '<<<<<<< ours'", "added: a.txt:1"),
    "dependency_files_changed": ("simulate: append package.json x", "changed: package.json"),
    "migrations_detected": ("simulate: write db/migrate/1_x.rb x", "changed: db/migrate/1_x.rb"),
    "ci_files_changed": ("simulate: write .github/workflows/a.yml x", "changed: .github/workflows/a.yml"),
    "generated_files_changed": ("simulate: write dist/a.js x", "changed: dist/a.js"),
    "symlinks_changed": ("simulate: symlink link code.txt", "changed: link"),
    "modes_changed": ("simulate: chmod 755 code.txt", "changed: code.txt"),
    "binaries_changed": ("simulate: run head -c 9 /dev/zero > x.bin", "changed: x.bin"),
    "unresolved_questions_present": (
        'simulate: fragment {"questions": ["which?"]}\nsimulate: write a.txt x',
        "the agent asked 1 questions that nobody answered",
    ),
}
NUMBERS = {
    "deletions_over": ("simulate: delete old.txt", "1 files deleted, more than 0"),
    "changed_lines_over": ("simulate: write a.txt x", "1 lines added or deleted, more than 0"),
    "file_bytes_over": (
        "simulate: write a.txt xyz",
        "4 bytes in the largest file that was changed, more than 0",
    ),
}


async def test_each_kind_of_change_is_seen_and_gates(repo: Path, open_engine: Open, policy: Write) -> None:
    gates: dict[str, object] = dict.fromkeys(WRONG, True)
    async with open_engine(repo) as house:
        every = await house.submit("simulate: write fine.txt fine", **policy(gate_when=gates))
        steps = {key: await house.submit(goal, **policy(gate_when=gates)) for key, (goal, _) in WRONG.items()}
        for key, (goal, _) in NUMBERS.items():
            steps[key] = await house.submit(goal, **policy(f"n-{key}", gate_when={key: 0}))
        assert (await house.settled(every)).state is StepState.COMPLETED
        for key, (_, reason) in {**WRONG, **NUMBERS}.items():
            ended = await house.settled(steps[key])
            assert (ended.state, ended.summary) == (StepState.NEEDS_APPROVAL, f"{key}: {reason}")


@pytest.mark.parametrize("last", ["", "\nsimulate: commit done"], ids=["left", "committed"])
async def test_a_new_folder_counts_as_its_files(
    repo: Path, open_engine: Open, policy: Write, last: str
) -> None:
    goal = f"simulate: write new/a.txt x\nsimulate: write new/b.txt x{last}"
    async with open_engine(repo) as house:
        step = await house.run_to_end(goal, **policy(gate_when={"changed_files_over": 1}))
    expected = (StepState.NEEDS_APPROVAL, "changed_files_over: 2 files changed, more than 1")
    assert (step.state, step.summary) == expected


async def test_ways_around_a_path_are_ways_to_it(repo: Path, open_engine: Open) -> None:
    forbidden = {"forbidden_paths": ["/deploy/"]}
    links = {"x": "/etc/passwd", "y": "../../../up", "z": "../../code.txt"}
    out = "\n".join(f"simulate: symlink a/b/{name} {target}" for name, target in links.items())
    other = "simulate: write Deploy/x y"
    async with open_engine(repo) as house:
        leading = await house.run_to_end(out, allowed_paths=["/a/"])
        assert leading.state is StepState.NEEDS_APPROVAL
        words = "paths_outside_scope: changed: a/b/x -> /etc/passwd, a/b/y -> ../../../up"
        assert leading.summary == words
        assert (await house.run_to_end(other, **forbidden)).state is StepState.COMPLETED
        config = repo / ".git" / "config"
        config.write_text(f"{config.read_text()}[core]\n\tignoreCase = true\n")
        same = await house.run_to_end(other, **forbidden)
    assert (same.state, same.summary) == (
        StepState.FAILED_TERMINAL,
        "forbidden_paths_touched: changed: Deploy/x",
    )


async def until_settled(house: Any, step: Any) -> AsyncIterator[Any]:
    async for event in house.engine.events(step=step.id):
        yield event
        if event.kind == "step.settled":
            return


async def test_a_secret_is_nowhere_in_the_record_of_the_decision(
    repo: Path, open_engine: Open, policy: Write
) -> None:
    async with open_engine(repo) as house:
        # Not in the goal, which is part of the record.
        goal = 'simulate: run printf "k=gh" > a; printf "p_%s" $(printf "a1%.0s" $(seq 18)) >> a'
        step = await house.run_to_end(goal, **policy(gate_when={"secrets_detected": True}))
        recorded = [event.body async for event in until_settled(house, step)]
        (attempt,) = await house.engine.attempts(step.id)
    assert step.state is StepState.NEEDS_APPROVAL
    assert attempt.facts.secrets == ("a:1 (GitHub token)",)
    assert TOKEN not in json.dumps(recorded)


async def test_a_policy_is_frozen_with_its_content_and_digest(
    repo: Path, open_engine: Open, policy: Write
) -> None:
    async with open_engine(repo, max_parallel="1") as house:
        first = await house.submit(
            "simulate: sleep 0.2\nsimulate: write a.txt x", **policy(gate_when={"no_changes": True})
        )
        # Neither the file as it is now nor what the agent makes of it counts for a step that exists.
        policy(gate_when={"changed_files_over": 0})
        goal = "simulate: write .codencer/policies/ours.yaml 'nothing at all'\nsimulate: write b.txt x"
        second = await house.submit(goal, policy_bundle="ours")
        (repo / ".codencer" / "policies" / "ours.yaml").unlink()
        assert (await house.settled(first)).state is StepState.COMPLETED
        ended = await house.settled(second)
        result = await house.engine.result(second.id)
        artifacts = {each.name: each for each in await house.engine.artifacts(second.id)}
        again = await house.settled(await house.engine.retry(second.id, "test"))
    assert ended.state is StepState.NEEDS_APPROVAL
    assert again.state is StepState.NEEDS_APPROVAL, "a retry has the same policy"
    assert ended.frozen.policy is not None
    assert ended.frozen.policy.gate_when == {"changed_files_over": 0}
    assert result.policy.digest == ended.frozen.policy.digest == artifacts["policy.json"].sha256


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("nobody", None, "there is no policy 'nobody'; available: basic, .*in .codencer/policies: other"),
        ("ours", "version: v1\nname: mine\ncontinue_when: {}\n", "says `name: mine`; it has to be ours"),
        ("ours", "version: v1\nname: ours\n", r"\.codencer/policies/ours\.yaml:1: continue_when is missing"),
        ("ours", "version: v1\nname: ours\ngate_when:\n  x: 1\n", r"ours\.yaml:4: gate_when\.x is not a key"),
        (
            "basic",
            "version: v1\nname: basic\ncontinue_when: {}\n",
            "has the name of a policy that comes with",
        ),
        ("ours", "[", "is not readable YAML"),
        ("ours", b"\xff", "is not UTF-8"),
    ],
)
async def test_a_policy_that_is_not_there_or_wrong_is_refused_at_submission(
    repo: Path, open_engine: Open, policy: Write, name: str, text: str | bytes | None, problem: str
) -> None:
    policy("other")
    if text is not None:
        data = text if isinstance(text, bytes) else text.encode()
        (repo / ".codencer" / "policies" / f"{name}.yaml").write_bytes(data)
    async with open_engine(repo) as house:
        with pytest.raises((InvalidInput, MalformedInput), match=problem):
            await house.submit("simulate: say x", policy_bundle=name)


async def test_a_task_without_a_policy_gets_basic(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        for keys in ({}, {"policy_bundle": "basic"}):
            await house.run_to_end("simulate: write a.txt x", allowed_paths=["docs/"], **keys)
        steps = await house.engine.list_steps("run")
        results = [await house.engine.result(step.id) for step in steps]
    assert [step.state for step in steps] == [StepState.NEEDS_APPROVAL] * 2
    assert [result.policy.reasons for result in results] == [("paths_outside_scope: changed: a.txt",)] * 2
    unnamed, named = (result.policy for result in results)
    assert (unnamed.name, unnamed.digest) == ("basic", named.digest)


async def test_even_the_permissive_policy_asks_about_a_secret(repo: Path, open_engine: Open) -> None:
    goal, reason = WRONG["secrets_detected"]
    async with open_engine(repo) as house:
        step = await house.run_to_end(goal, policy_bundle="permissive")
        # What else goes out of bounds is for others to look at.
        other = await house.run_to_end(
            "simulate: write a.txt x", policy_bundle="permissive", allowed_paths=["docs/"]
        )
    assert (step.state, step.summary) == (StepState.NEEDS_APPROVAL, f"secrets_detected: {reason}")
    assert other.state is StepState.COMPLETED


async def test_the_default_may_be_a_policy_of_ones_own(repo: Path, open_engine: Open, policy: Write) -> None:
    policy("careful", gate_when={"changed_files_over": 0})
    (repo / ".codencer" / "config.toml").write_text('default_policy = "careful"\n')
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write a.txt x")
    assert (step.policy, step.state) == ("careful", StepState.NEEDS_APPROVAL)


async def test_a_budget_stops_retries_and_pauses(repo: Path, open_engine: Open, policy: Write) -> None:
    retry = {"adapter_process_failed": True, "max_attempts": 9}
    spend = "simulate: session s\nsimulate: spend 10 400000\n"
    async with open_engine(repo) as house:
        tried = await house.submit(
            spend + "simulate: fail", **policy("a", fail_when={"cost_usd_over": 1}, retry_when=retry)
        )
        rested = await house.submit(
            spend + "simulate: quota 3600", **policy("b", fail_when={"tokens_over": 9})
        )
        unknown = await house.submit("simulate: write a.txt x", **policy("c", fail_when={"cost_usd_over": 1}))
        for step, state in (
            (tried, StepState.FAILED_ADAPTER),
            (rested, StepState.FAILED_ADAPTER),
            (unknown, StepState.NEEDS_APPROVAL),
        ):
            assert (await house.settled(step)).state is state
        results = [await house.engine.result(step.id) for step in (tried, rested, unknown)]
    assert [each.policy.reasons[0] for each in results] == [
        "cost_usd_over: 1.2 USD were spent, more than 1",
        "tokens_over: 10 tokens were used, more than 9",
        "facts_unknown: could not be found out: cost_microusd",
    ]
    assert [each.attempt_number for each in results] == [3, 1, 1]
