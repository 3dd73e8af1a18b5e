"""The watch over an agent's scope: it tells or stops, and the diff is judged in any case."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.engine import scope_watch
from codencer.ledger import verify
from codencer.model.attempt import Ending, ErrorKind, HaltCause
from codencer.model.step import ScopeWatch, StepState
from codencer.process import inotify, tree_watch

pytestmark = pytest.mark.skipif(not inotify.available(), reason="only Linux has inotify")

Open = Callable[..., Any]
SCOPE = {"allowed_paths": ["/src/"], "forbidden_paths": ["*.lock"]}


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo({"code.txt": "broken\n", "src/a.txt": "a\n", ".gitignore": "out/\n*.log\n"})


@pytest.fixture
def pipe(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return make


async def stray(house: Any, step: Any) -> Any:
    """Wait, by event, until something out of scope was seen; returns the report."""
    async for event in house.engine.events(step=step.id):
        if event.kind == "scope.watched":
            return event.body["report"]
    raise AssertionError("the engine closed before")


async def test_without_the_setting_nobody_watches(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write code.txt x", **SCOPE)
        (attempt,) = await house.engine.attempts(step.id)
    assert step.frozen.scope_watch is ScopeWatch.OFF
    assert (step.state, attempt.scope.paths) == (StepState.NEEDS_APPROVAL, ())


async def test_it_warns_while_the_agent_goes_on(
    repo: Path, open_engine: Open, pipe: Callable[[str], Path]
) -> None:
    go = pipe("go")
    goal = (
        "simulate: write src/b.txt x\nsimulate: write out/built.txt x\nsimulate: write x.log x\n"
        "simulate: run mkdir -p deep/er && echo x > deep/er/c.txt\n"
        f"simulate: write src/a.lock x\nsimulate: run read x < {go}\nsimulate: delete deep"
    )
    async with open_engine(repo, scope_watch="warn", sandbox="none") as house:
        step = await house.submit(goal, **SCOPE)
        seen: set[str] = set()
        async for event in house.engine.events(step=step.id):
            if event.kind == "scope.watched":
                seen |= set(event.body["report"]["paths"])
            if seen >= {"deep/er/c.txt", "src/a.lock"}:
                break
        assert not (await house.engine.get_step(step.id)).settled
        await asyncio.to_thread(go.write_text, "go\n")
        step = await house.settled(step)
        result = await house.engine.result(step.id)
        (attempt,) = await house.engine.attempts(step.id)
    assert set(attempt.scope.paths) == {"deep/er/c.txt", "src/a.lock"}
    assert attempt.halt is None
    assert step.state is StepState.FAILED_TERMINAL, "a forbidden path was changed"
    assert result.warnings[0].startswith("changed out of its scope while the agent was at work: ")
    assert {each.path for each in result.files_changed} == {"src/b.txt", "src/a.lock"}
    report = verify(repo / ".git" / "codencer" / "codencer.db")
    assert report.ok, report


@pytest.mark.parametrize(
    ("does", "path", "rule"),
    [
        ("write code.txt x", "code.txt", "what allowed_paths leave out"),
        ("delete code.txt", "code.txt", "what allowed_paths leave out"),
        ("chmod 755 code.txt", "code.txt", "what allowed_paths leave out"),
        ("run mv src/a.txt src/x.lock", "src/x.lock", "forbidden_paths"),
        ("run mkdir -p new/deep && mv src/a.txt new/deep", "new/deep/a.txt", "what allowed_paths leave out"),
        ("run git rm -q code.txt && git commit -qm x", "code.txt", "what allowed_paths leave out"),
    ],
)
async def test_it_stops_an_agent_and_keeps_what_it_did(
    repo: Path, open_engine: Open, does: str, path: str, rule: str
) -> None:
    goal = f"simulate: write src/b.txt x\nsimulate: child\nsimulate: {does}\nsimulate: hang"
    async with open_engine(repo, scope_watch="stop", sandbox="none") as house:
        step = await house.run_to_end(goal, **SCOPE)
        result = await house.engine.result(step.id)
        (attempt,) = await house.engine.attempts(step.id)
    reason = f"it left its scope: {path} ({rule})"
    assert (step.state, step.retryable) == (StepState.FAILED_TERMINAL, True)
    assert attempt.halt is not None
    assert (attempt.halt.cause, attempt.halt.reason) == (HaltCause.SCOPE, reason)
    assert (attempt.outcome.ending, attempt.outcome.error_kind) == (
        Ending.HALTED,
        ErrorKind.PERMISSION_DENIED,
    )
    assert attempt.outcome.error == f"simulation was stopped: {reason}"
    assert f"the agent was stopped by the bridge: {reason}" in result.warnings
    assert any(each.startswith("left running, killed") for each in result.warnings)
    changed = {each.path for each in result.files_changed}
    assert {"src/b.txt", path} <= changed
    assert path in {*(attempt.facts.paths_outside_scope), *(attempt.facts.forbidden_paths_touched)}


async def test_files_that_are_gone_at_once_and_ignored_ones_stop_nobody(
    repo: Path, open_engine: Open
) -> None:
    goal = (
        "simulate: run echo x > code.tmp && rm code.tmp\nsimulate: run echo broken > code.txt\n"
        "simulate: write out/deep/x.txt x\nsimulate: write x.log x\nsimulate: run sleep 0.6\n"
        "simulate: write src/a.txt fixed"
    )
    async with open_engine(repo, scope_watch="stop") as house:
        step = await house.run_to_end(goal, **SCOPE)
        (attempt,) = await house.engine.attempts(step.id)
    assert (step.state, attempt.scope.paths) == (StepState.COMPLETED, ()), step.summary


async def test_what_was_out_of_scope_before_the_agent_began_is_not_held_against_it(
    repo: Path, open_engine: Open
) -> None:
    hook = {"provisioning": {"hooks": {"post_create": "echo made > made.txt; echo x >> code.txt"}}}
    (repo / ".codencer").mkdir()
    (repo / ".codencer" / "workspace.json").write_text(json.dumps(hook))
    async with open_engine(repo, scope_watch="stop") as house:
        step = await house.run_to_end("simulate: run sleep 0.6\nsimulate: write src/a.txt x", **SCOPE)
        (attempt,) = await house.engine.attempts(step.id)
        touched = await house.run_to_end("simulate: write made.txt other\nsimulate: hang", **SCOPE)
    assert (attempt.halt, attempt.scope.paths) == (None, ())
    assert step.state is StepState.NEEDS_APPROVAL, "the diff is judged in any case"
    assert "it left its scope: made.txt" in touched.summary


@pytest.mark.parametrize("mode", ["warn", "stop"])
async def test_a_later_daemon_looks_at_what_happened_meanwhile(
    repo: Path, open_engine: Open, pipe: Callable[[str], Path], mode: str
) -> None:
    go, done = pipe("go"), pipe("done")
    goal = (
        f"simulate: write src/b.txt x\nsimulate: run read x < {go}\nsimulate: write code.txt x\n"
        f"simulate: run echo > {done}\nsimulate: hang"
    )
    async with open_engine(repo, scope_watch=mode, sandbox="none") as house:
        step = await house.submit(goal, **SCOPE)
        await house.reached(step, "agent.started")
    # Nobody is there to see it.
    await asyncio.to_thread(go.write_text, "go\n")
    await asyncio.to_thread(done.read_text)
    async with open_engine(repo, sandbox="none") as house:
        report = await stray(house, step)
        if mode == "warn":
            await house.engine.cancel(step.id, "test")
        ended = await house.settled(step)
    assert report == {"paths": ["code.txt"], "problem": ""}
    assert ended.state is (StepState.CANCELLED if mode == "warn" else StepState.FAILED_TERMINAL)


async def test_a_team_asks_for_it_in_its_own_file(repo: Path, open_engine: Open) -> None:
    (repo / ".codencer").mkdir()
    async with open_engine(repo) as house:
        (repo / ".codencer" / "config.toml").write_text('scope_watch = "stop"\n')
        step = await house.run_to_end("simulate: write code.txt x\nsimulate: hang", **SCOPE)
    assert (step.frozen.scope_watch, step.state) == (ScopeWatch.STOP, StepState.FAILED_TERMINAL)


@pytest.mark.parametrize("how", ["no inotify", "too many folders", "no note"])
async def test_a_watch_that_does_not_see_everything_is_a_warning(
    repo: Path, open_engine: Open, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    words = {
        "no inotify": "it ended early: this system has no inotify",
        "too many folders": "there are more than 1 folders to watch",
        "no note": "it ended early: what was out of scope before the agent began could not be written down",
    }
    if how == "no inotify":
        monkeypatch.setattr(scope_watch, "watched", _without_inotify)
    elif how == "too many folders":
        monkeypatch.setattr(tree_watch, "MOST_FOLDERS", 1)
    else:
        monkeypatch.setattr(scope_watch, "write_file", _full_disk)
    async with open_engine(repo, scope_watch="stop") as house:
        step = await house.submit("simulate: write src/a.txt x\nsimulate: hang", **SCOPE)
        await stray(house, step)
        await house.engine.cancel(step.id, "test")
        await house.settled(step)
        result = await house.engine.result(step.id)
    assert f"the watch over its scope did not see everything: {words[how]}" in result.warnings


def _without_inotify(*_: object) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inotify, "_LIBC", object())
        return tree_watch.watched(b"", lambda _path: True).__enter__()


def _full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


async def test_only_so_many_paths_are_recorded(
    repo: Path, open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope_watch, "MOST_REPORTED", 3)
    goal = "simulate: run for i in 1 2 3 4 5 6; do echo x > $i.txt; done\nsimulate: hang"
    async with open_engine(repo, scope_watch="warn") as house:
        step = await house.submit(goal, **SCOPE)
        async for event in house.engine.events(step=step.id):
            if event.kind == "scope.watched" and event.body["report"]["problem"]:
                break
        await house.engine.cancel(step.id, "test")
        await house.settled(step)
        (attempt,) = await house.engine.attempts(step.id)
    assert len(attempt.scope.paths) == 3
    assert attempt.scope.problem == "more than 3 paths were out of scope"
