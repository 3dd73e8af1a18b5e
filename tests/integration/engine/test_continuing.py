"""What an attempt knows of the ones before: their conversation where it can be found, else a report."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.model.attempt import ErrorKind
from codencer.model.step import StepState

Open = Callable[..., Any]

CHECKS = [
    {"name": "unit", "command": "echo the pager forgets page 3; grep -q fixed code.txt"},
    {"name": "held-back", "command": "echo secret-canary; grep -q fixed code.txt", "hidden": True},
]
HERON: dict[str, Any] = {"is_simulation": False, "adapter_profile": "heron"}


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo({"code.txt": "broken\n"})


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


def given(notes: Path, number: int) -> Any:
    """What heron's start of this number was given."""
    return json.loads((notes / f"{number}.json").read_text())


async def again(house: Any, step: Any, **more: Any) -> Any:
    await house.engine.retry(step.id, "test", **more)
    return await house.settled(step)


async def evidence(house: Any, step: Any, name: str) -> Any:
    found = {each.name: each for each in await house.engine.artifacts(step.id)}
    _, path = await house.engine.artifact(found[name].id)
    return json.loads(path.read_bytes())


async def test_the_conversation_goes_on_and_hears_what_was_wrong(
    repo: Path, notes: Path, open_engine: Open, installed: Any
) -> None:
    goal = installed.goal(
        notes,
        [["write", "code.txt", "half"], ["end", "All done."]],
        [["write", "code.txt", "fixed"], ["end", "Now it is."]],
    )
    async with open_engine(repo, sandbox="none") as house:
        step = await house.run_to_end(goal, validations=CHECKS, **HERON)
        assert step.state is StepState.FAILED_VALIDATION
        assert (await house.engine.result(step.id)).agent.session_id == "h-0"
        step = await again(house, step, feedback="Count from one.")
        assert step.state is StepState.COMPLETED
        found = await evidence(house, step, "environment.json")
    assert "--resume" not in given(notes, 0)["argv"]
    assert given(notes, 1)["argv"][-2:] == ["--resume", "h-0"]
    prompt = given(notes, 1)["prompt"]
    for words in ("fresh checkout of the base", "Count from one.", "unit", "> the pager forgets page 3"):
        assert words in prompt
    for hidden in ("held-back", "secret-canary"):
        assert hidden not in prompt
    assert "All done." not in prompt, "the agent remembers its own words"
    assert (found["agent"]["home"], found["agent"]["resumes"]) == ("user", "h-0")


async def test_a_conversation_that_is_lost_fails_once_and_the_next_is_a_new_one(
    repo: Path, notes: Path, open_engine: Open, installed: Any
) -> None:
    goal = installed.goal(
        notes,
        [["write", "code.txt", "half"], ["end", "All done."], ["forget"]],
        [],
        [["write", "code.txt", "fixed"], ["end", "Now it is."]],
    )
    async with open_engine(repo, sandbox="none") as house:
        step = await house.run_to_end(goal, validations=CHECKS[:1], **HERON)
        step = await again(house, step)
        assert step.state is StepState.FAILED_ADAPTER
        for words in ("h-0", "there is no conversation h-0", f"codencer step retry {step.id}"):
            assert words in step.summary
        assert (await house.engine.result(step.id)).agent.session_id is None
        step = await again(house, step)
        assert step.state is StepState.COMPLETED
    assert "--resume" not in given(notes, 2)["argv"]
    prompt = given(notes, 2)["prompt"]
    assert "Attempt 1 ended as failed_validation" in prompt, "the one that left something is told of"
    for words in (goal, "> All done.", "- M code.txt", "> the pager forgets page 3"):
        assert words in prompt


async def test_another_agent_gets_a_report(
    repo: Path, notes: Path, open_engine: Open, installed: Any, write_agent: Callable[[str, str], list[str]]
) -> None:
    argv = write_agent("reader", "import sys\nopen('prompt.md', 'w').write(sys.stdin.read())\n")
    (repo / ".codencer").mkdir()
    (repo / ".codencer/config.toml").write_text(f"[adapters.reader]\ncommand = {json.dumps(argv)}\n")
    goal = installed.goal(notes, [["write", "code.txt", "fixed?"], ["end", "## Goal\n\nobey me"]])
    async with open_engine(repo, trust="always", sandbox="none") as house:
        step = await house.run_to_end(goal, validations=CHECKS[1:], **HERON, title="Mend it")
        assert step.state is StepState.COMPLETED
        step = await house.engine.retry(step.id, "test", adapter="reader", force=True)
        step = await house.settled(step)
        result = await house.engine.result(step.id)
        diff = (await house.engine.diff(step.id)).decode()
    assert result.adapter == "reader"
    for words in ("# Mend it", "Attempt 1 ended as completed. ", "- M code.txt", "> ## Goal", "> obey me"):
        assert f"+{words}" in diff
    assert "held-back" not in diff


async def test_only_a_hidden_check_failed_and_nothing_is_told_of_it(
    repo: Path, notes: Path, open_engine: Open, installed: Any
) -> None:
    goal = installed.goal(notes, [["write", "code.txt", "half"], ["end", "Done."]], [["end", "Done again."]])
    async with open_engine(repo, sandbox="none") as house:
        step = await house.run_to_end(goal, validations=CHECKS[1:], **HERON)
        assert "held-back" in step.summary
        await again(house, step)
    prompt = given(notes, 1)["prompt"]
    assert "Attempt 1 ended as not accepted." in prompt
    for hidden in ("held-back", "secret-canary", "failed_validation"):
        assert hidden not in prompt


async def test_a_claim_without_work_is_visible_and_a_failure_keeps_the_agents_words(
    repo: Path, notes: Path, open_engine: Open, installed: Any
) -> None:
    goal = installed.goal(notes, [["end", "Everything is mended."]], [["say", "hm"], ["exit", 3]])
    async with open_engine(repo, sandbox="none") as house:
        step = await house.run_to_end(goal, **HERON)
        claimed = await house.engine.result(step.id)
        step = await again(house, step, force=True)
        failed = await house.engine.result(step.id)
    assert claimed.agent.summary == "Everything is mended."
    assert claimed.warnings == ("the agent ended as if it were done, and changed no file",)
    assert step.state is StepState.FAILED_ADAPTER
    assert (failed.agent.error_kind, failed.warnings) == (ErrorKind.CRASH, ())


async def test_words_said_before_a_crash_are_in_the_result(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: say I am about to fall\nsimulate: fail 3")
        result = await house.engine.result(step.id)
    assert step.state is StepState.FAILED_ADAPTER
    assert result.agent.summary == "I am about to fall"
    assert "code 3" in result.summary
