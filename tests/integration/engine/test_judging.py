"""Validations in full, on real git and real commands: reports, the base, fresh checkouts, overlays."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.errors import InvalidInput
from codencer.ledger import verify
from codencer.model.step import StepState
from codencer.model.validation import ValidationState

Open = Callable[..., Any]

RUNNER = """\
import pathlib, sys
cases, bad = "", 0
for test in sorted(pathlib.Path("tests").glob("*.txt")):
    wanted, *flags = test.read_text().split()
    ok = wanted in pathlib.Path("code.txt").read_text().split()
    if "flaky" in flags:
        note = pathlib.Path(sys.argv[2])
        ok = note.exists()
        note.touch()
    bad += not ok
    cases += f'<testcase classname="t" name="{test.stem}">' + ("" if ok else "<failure/>") + "</testcase>"
pathlib.Path(sys.argv[1]).write_text(f"<testsuite>{cases}</testsuite>")
sys.exit(1 if bad else 0)
"""
FILES = {
    "run.py": RUNNER,
    "code.txt": "green\n",
    "tests/green.txt": "green\n",
    "tests/red.txt": "red\n",
    "tests/dead.txt": "dead\n",
    ".gitignore": "*.xml\n*.cache\n",
}


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo(FILES)


def check(tmp_path: Path, **more: Any) -> dict[str, Any]:
    command = f"python3 run.py out.xml {tmp_path / 'flaky-note'}"
    return {"name": "unit", "command": command, "report": "junit:out.xml", **more}


async def judged(house: Any, goal: str, *validations: dict[str, Any], **task: Any) -> tuple[Any, Any]:
    step = await house.run_to_end(goal, validations=list(validations), **task)
    return step, await house.engine.result(step.id)


async def test_the_base_is_compared_test_by_test_and_asked_once(
    repo: Path, open_engine: Open, tmp_path: Path
) -> None:
    compared = check(tmp_path, baseline=True)
    async with open_engine(repo) as house:
        step, result = await judged(house, "simulate: write code.txt green red", compared)
        [unit] = result.validations
        assert (step.state, unit.state, unit.exit_code) == (StepState.COMPLETED, ValidationState.PASSED, 1)
        assert (unit.fixed, unit.still_failing, unit.newly_broken) == (("t.red",), ("t.dead",), ())
        assert (unit.tests.passed, unit.tests.failed) == (2, 1)
        names = {each.name for each in await house.engine.artifacts(step.id)}
        assert {"validation-1.report.xml", "baseline-1.json", "baseline-1.report.xml"} <= names
        step, result = await judged(house, "simulate: write code.txt red", compared)
        [unit] = result.validations
        assert (step.state, unit.newly_broken) == (StepState.FAILED_VALIDATION, ("t.green",))
        names = {each.name for each in await house.engine.artifacts(step.id)}
        assert "baseline-1.json" in names
        assert "baseline-1.report.xml" not in names, "what was known is not asked again"
        # What is thrown away vanishes while this looks, which `os.walk` takes as it comes.
        folders = [each for _, names, _ in os.walk(house.engine.config.workspace_root) for each in names]
        assert folders
        assert not [each for each in folders if each.endswith(".fresh")], "a fresh checkout is thrown away"
    assert verify(repo / ".git" / "codencer" / "codencer.db").ok


async def test_a_check_that_passes_before_proves_nothing(
    repo: Path, open_engine: Open, tmp_path: Path
) -> None:
    proof = {"name": "red", "command": "grep -q red code.txt", "must_fail_before": True}
    idle = {"name": "green", "command": "grep -q green code.txt", "must_fail_before": True}
    async with open_engine(repo) as house:
        step, _ = await judged(house, "simulate: write code.txt green red", proof)
        assert step.state is StepState.COMPLETED
        step, result = await judged(house, "simulate: write code.txt green red", idle)
    assert step.state is StepState.FAILED_VALIDATION
    assert result.validations[0].state is ValidationState.ERRORED
    assert "proves nothing" in result.validations[0].error


async def test_a_flaky_test_is_named_and_fails_nothing(repo: Path, open_engine: Open, tmp_path: Path) -> None:
    goal = "simulate: write code.txt green red dead\nsimulate: write tests/odd.txt odd flaky"
    async with open_engine(repo, sandbox="none") as house:
        step, result = await judged(house, goal, check(tmp_path, retries=1))
        names = {each.name for each in await house.engine.artifacts(step.id)}
    [unit] = result.validations
    assert (unit.state, unit.flaky) == (ValidationState.PASSED, ("t.odd",))
    assert {"validation-1.stdout.log", "validation-1.retry-1.stdout.log"} <= names
    assert unit.stdout_ref.endswith("validation-1.retry-1.stdout.log")


async def test_a_report_that_the_agent_left_is_not_believed(
    repo: Path, open_engine: Open, tmp_path: Path
) -> None:
    forged = "<testsuite><testcase name='all'/></testsuite>"
    lines = (
        f"simulate: write out.xml {forged}",
        "simulate: run git add -f out.xml",
        "simulate: commit done",
        "simulate: say All tests pass.",
    )
    lazy = {"name": "lazy", "command": "true", "report": "junit:out.xml"}
    away = {"name": "away", "command": "true", "report": "junit:link/out.xml"}
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "out.xml").write_text(forged)
    link = f"simulate: symlink link {tmp_path / 'elsewhere'}"
    async with open_engine(repo) as house:
        step, result = await judged(house, "\n".join((*lines, link)), lazy, away)
    assert step.state is StepState.FAILED_VALIDATION
    assert [each.state for each in result.validations] == [ValidationState.ERRORED] * 2
    assert (tmp_path / "elsewhere" / "out.xml").read_text() == forged


async def test_a_clean_checkout_has_nothing_of_the_agents_but_its_tree(repo: Path, open_engine: Open) -> None:
    (repo / "settings.cache").write_text("provisioned\n")
    (repo / ".codencer").mkdir()
    hooks = {"post_create": "echo hooked > hook.cache"}
    document = {"provisioning": {"copy": ["settings.cache"], "hooks": hooks}}
    (repo / ".codencer" / "workspace.json").write_text(json.dumps(document))
    goal = "\n".join(
        (
            "simulate: write code.txt mended",
            "simulate: write planted.cache trust me",
            "simulate: write settings.cache forged",
            "simulate: run git config core.hooksPath /tmp",
        )
    )
    test = "test ! -e planted.cache && grep -q provisioned settings.cache && grep -q hooked hook.cache"
    test += ' && grep -q mended code.txt && test -z "$(git config core.hooksPath)"'
    dirty = {"name": "dirty", "command": "test -e planted.cache && ! grep -q provisioned settings.cache"}
    async with open_engine(repo) as house:
        step, result = await judged(house, goal, {"name": "clean", "command": test, "clean": True}, dirty)
    assert [each.state for each in result.validations] == [ValidationState.PASSED] * 2, result
    assert step.state is StepState.COMPLETED


async def test_held_out_tests_are_nowhere_until_they_judge(
    repo: Path, open_engine: Open, tmp_path: Path
) -> None:
    held = tmp_path / "held-out"
    (held / "tests").mkdir(parents=True)
    (held / "tests" / "secret-word.txt").write_text("secret-word\n")
    hidden = {**check(tmp_path), "name": "held-out-check", "overlay": str(held), "hidden": True}
    special = "simulate: write code.txt green red dead\nsimulate: run cat $CODENCER_TASK_FILE"
    honest = "simulate: write code.txt green red dead secret-word\nsimulate: run ls -R . ; git log --all"
    async with open_engine(repo) as house:
        step, result = await judged(house, special, check(tmp_path), hidden)
        assert [each.state for each in result.validations] == [ValidationState.PASSED, ValidationState.FAILED]
        assert step.state is StepState.FAILED_VALIDATION
        artifacts = {each.name: each for each in await house.engine.artifacts(step.id)}
        for name in ("prompt.txt", "stdout.log"):
            _, path = await house.engine.artifact(artifacts[name].id)
            assert "secret-word" not in path.read_text(), name
            assert "held-out" not in path.read_text(), name
        (held / "tests" / "secret-word.txt").write_text("changed\n")
        _, task = await house.engine.artifact(artifacts["task.json"].id)
        assert "held-out-check" in task.read_text(), "the evidence shows it afterwards"
        step, result = await judged(house, honest, hidden)
        assert result.validations[0].state is ValidationState.FAILED, "captured anew at each submission"
        (held / "tests" / "secret-word.txt").write_text("secret-word\n")
        step, result = await judged(house, honest, hidden)
        assert result.validations[0].state is ValidationState.PASSED
        files = [each.path for each in result.files_changed]
        assert files == ["code.txt"], "an overlay is no part of the snapshot"


@pytest.mark.parametrize("kind", ["missing", "link"])
async def test_an_overlay_that_cannot_be_captured_is_refused(
    repo: Path, open_engine: Open, tmp_path: Path, kind: str
) -> None:
    if kind == "link":
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "out").symlink_to("/etc/passwd")
    asked = {"name": "v", "command": "true", "overlay": str(tmp_path / kind)}
    async with open_engine(repo) as house:
        with pytest.raises(InvalidInput, match="overlay"):
            await house.submit("simulate: say x", validations=[asked])
        assert await house.engine.list_steps("run") == []


async def test_an_overlay_replaces_whatever_stands_in_its_way(
    repo: Path, open_engine: Open, tmp_path: Path
) -> None:
    held, outside = tmp_path / "held", tmp_path / "outside"
    (held / "a").mkdir(parents=True)
    outside.mkdir()
    (held / "a" / "b.txt").write_text("ours\n")
    goal = f"simulate: symlink a {outside}"
    asked = {"name": "v", "command": "grep -q ours a/b.txt && test ! -L a", "overlay": str(held)}
    async with open_engine(repo) as house:
        _, result = await judged(house, goal, asked)
    assert result.validations[0].state is ValidationState.PASSED
    assert list(outside.iterdir()) == []
