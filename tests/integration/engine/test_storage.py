"""What is removed is removed with proof, and everything else stays: workspaces, logs, refs."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from codencer.config import load
from codencer.engine.approval import expire_gates
from codencer.engine.housekeeping import keep_house
from codencer.engine.layout import snapshot_ref
from codencer.engine.opening import open_rooms
from codencer.engine.rooms import Rooms
from codencer.engine.storage import collect_garbage
from codencer.errors import Conflict, InvalidInput, NotFound
from codencer.ledger import verify
from codencer.locate import find_repository
from codencer.model.event import EventKind
from codencer.model.run import RunLabels
from codencer.model.step import StepState

Open = Callable[..., Any]
FAILS = "simulate: write a.txt x\nsimulate: crash"
DAY_NS = 24 * 3600 * 10**9


def git(top: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=top, capture_output=True, text=True, check=True).stdout.strip()


def refs(top: Path) -> dict[str, str]:
    """The bridge's refs, their last part by the one before: {"attempts": …, "bases": …}."""
    found: dict[str, str] = {}
    for line in git(top, "for-each-ref", "--format=%(refname) %(objectname)", "refs/codencer").splitlines():
        name, commit = line.split()
        found[name.removeprefix("refs/codencer/")] = commit
    return found


def snapshots(top: Path) -> dict[str, str]:
    return {name: commit for name, commit in refs(top).items() if name.startswith("attempts/")}


@asynccontextmanager
async def rooms_of(top: Path, **flags: str) -> AsyncIterator[Rooms]:
    """The rooms of a repository whose engine is closed."""
    config = load(find_repository(top), flags=flags, environ=os.environ)
    rooms = await asyncio.to_thread(open_rooms, config)
    try:
        yield rooms
    finally:
        await asyncio.to_thread(rooms.ledger.close)


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo({"code.txt": "broken\n"})


def shift(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Set the machine's clock on."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + int(days * DAY_NS))


async def test_everything_stays_for_thirty_days_and_failed_work_goes_then(
    repo: Path, open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_engine(repo) as house:
        failed = await house.run_to_end(FAILS)
        assert not failed.state.startswith("completed")
        [attempt] = await house.engine.attempts(failed.id)
    for days in (7, 7, 7, 7):
        # Somebody works here every week; each time the clock has really gone on.
        shift(monkeypatch, days)
        async with open_engine(repo) as house:
            assert any("1 snapshot: younger than 30 days" in line for line in await house.engine.gc(False))
    shift(monkeypatch, 7)
    async with open_engine(repo) as house:
        before = refs(repo)
        planned = await house.engine.gc(True)
        assert refs(repo) == before
        assert await house.engine.gc(False) == planned
        assert any(snapshot_ref(attempt.id) in line and "30 days" in line for line in planned), planned
        assert not any(name.startswith("attempts/") for name in refs(repo))
        # Its base is on a branch, and nobody needs it for another try.
        assert not any(name.startswith("bases/") for name in refs(repo))
        assert await house.engine.diff(failed.id) != b""
        with pytest.raises(NotFound, match="expired"):
            await house.engine.diff(failed.id, stat=True)
        with pytest.raises(NotFound, match="expired"):
            await house.engine.land(failed.id, "t", form="branch", target="b", checkout=str(repo), force=True)
        assert "expired" in (await house.engine.where(failed.id)).hint
        with pytest.raises(InvalidInput, match="left no snapshot"):
            await house.submit("x", base=f"step:{failed.id}")
        again = await house.settled(await house.engine.retry(failed.id, "t"))
        assert again.attempts == 2
        assert f"bases/{again.base.commit}" in refs(repo)
    assert verify(repo / ".git" / "codencer" / "codencer.db").ok


async def test_a_clock_that_jumps_expires_nothing(
    repo: Path, open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_engine(repo) as house:
        await house.run_to_end(FAILS)
    before = snapshots(repo)
    for days in (4000, -8000, 4000):
        shift(monkeypatch, days)
        async with open_engine(repo) as house:
            assert any("1 snapshot: younger" in line for line in await house.engine.gc(False))
    assert snapshots(repo) == before != {}


async def test_success_stays_until_it_is_landed(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        done = await house.run_to_end("simulate: write code.txt fixed")
        assert any("never landed" in line for line in await house.engine.gc(False, 0))
        assert any(name.startswith("attempts/") for name in refs(repo))
        await house.engine.land(done.id, "t", form="branch", target="b", checkout=str(repo), force=False)
        assert any("it was landed" in line for line in await house.engine.gc(False, 0))
        assert git(repo, "show", "b:code.txt") == "fixed"
    assert not any(name.startswith("attempts/") for name in refs(repo))


async def test_an_older_success_is_not_lost_to_a_later_failure(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write code.txt fixed")
        first = step.latest_attempt_id
        step = await house.engine.retry(step.id, "t", force=True)
        await house.engine.cancel(step.id, "t")
        step = await house.settled(step)
        await house.engine.gc(False, 0)
    assert snapshot_ref(first).removeprefix("refs/codencer/") in refs(repo)


async def test_a_gate_nobody_answers_expires_and_no_jump_of_the_clock_does_it(
    repo: Path, open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_engine(repo) as house:
        gated = await house.run_to_end("simulate: write code.txt x", allowed_paths=["docs/**"])
    shift(monkeypatch, 1000)
    async with rooms_of(repo, gate_days="8") as rooms:
        assert await expire_gates(rooms) == []
    for _ in range(4):
        shift(monkeypatch, 2)
        async with open_engine(repo):
            pass
    async with rooms_of(repo) as rooms:
        assert await expire_gates(rooms) == []
    async with rooms_of(repo, gate_days="8") as rooms:
        [line] = await expire_gates(rooms)
        assert "8 days" in line
        assert await expire_gates(rooms) == []
    async with open_engine(repo) as house:
        assert [gate.state for gate in await house.engine.gates()] == ["expired"]
        step = await house.engine.get_step(gated.id)
        assert (step.state, step.retryable) == (StepState.FAILED_TERMINAL, True)
        result = await house.engine.result(step.id)
        assert (result.state, result.gate_id, result.needs_human_decision) == (step.state, None, False)
        assert (await house.engine.get_run("run")).state == "running"
    assert verify(repo / ".git" / "codencer" / "codencer.db").ok


async def test_an_open_gate_keeps_what_it_asks_about(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        gated = await house.run_to_end("simulate: write code.txt x", allowed_paths=["docs/**"])
        assert gated.state is StepState.NEEDS_APPROVAL
        assert any("a gate asks about it" in line for line in await house.engine.gc(False, 0))
        assert f"attempts/{gated.latest_attempt_id}" in snapshots(repo)


async def test_what_a_waiting_step_begins_from_stays(repo: Path, open_engine: Open) -> None:
    """Landed long ago, and still the base of a step in a run that is paused."""
    async with open_engine(repo, max_parallel="1") as house:
        first = await house.run_to_end("simulate: write code.txt fixed")
        await house.engine.land(first.id, "t", form="branch", target="b", checkout=str(repo), force=False)
        busy = await house.submit("simulate: hang")
        await house.reached(busy, "agent.started")
        behind = await house.submit("simulate: append code.txt more", base=f"step:{first.id}")
        assert any("an unsettled step begins from it" in line for line in await house.engine.gc(False, 0))
        assert f"bases/{behind.base.commit}" in refs(repo)
        await house.engine.cancel(busy.id, "t")
        assert (await house.settled(behind)).state is StepState.COMPLETED


async def test_a_base_that_was_just_taken_is_never_lost(repo: Path, open_engine: Open) -> None:
    """Submissions that begin from an expiring snapshot either see it expired, or keep it."""
    async with open_engine(repo) as house:
        for number in range(3):
            failed = await house.run_to_end(FAILS, run=f"r{number}")
            attempt = failed.latest_attempt_id
            commit = refs(repo)[f"attempts/{attempt}"]
            collecting = asyncio.create_task(house.engine.gc(False, 0))
            try:
                taken = await house.submit("simulate: write b.txt y", run="next", base=f"step:{failed.id}")
            except InvalidInput:
                continue
            finally:
                await collecting
            assert taken.base.commit == commit
            assert f"bases/{commit}" in refs(repo)
            assert (await house.settled(taken)).state is StepState.COMPLETED


async def test_a_pin_stays_while_only_it_keeps_the_commit(repo: Path, open_engine: Open) -> None:
    (repo / "code.txt").write_text("not committed\n")
    async with open_engine(repo) as house:
        failed = await house.run_to_end(FAILS, base="dirty")
        await house.engine.gc(False, 0)
        assert refs(repo) == {f"bases/{failed.base.commit}": failed.base.commit}
        assert git(repo, "show", f"{failed.base.commit}:code.txt") == "not committed"
        assert (await house.settled(await house.engine.retry(failed.id, "t"))).attempts == 2


async def test_a_workspace_goes_only_when_all_of_it_is_kept(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        ended = await house.run_to_end("simulate: write code.txt fixed")
        await house.reached(ended, "workspace.released")
    async with rooms_of(repo) as rooms:
        attempt = str(ended.latest_attempt_id)
        left = rooms.layout.workspace(attempt)
        strange = rooms.layout.workspace("att_00000000000000000000000000")
        for folder in (left, strange):
            folder.mkdir(mode=0o700)
            (folder / "work.txt").write_text("somebody's own\n")
        lines = await collect_garbage(rooms, dry_run=False)
        assert any(str(left) in line and "changed after the attempt had ended" in line for line in lines)
        assert any(str(strange) in line and "does not know it" in line for line in lines)
        assert (left / "work.txt").exists()
        (left / "work.txt").unlink()
        git(repo, "update-ref", "-d", snapshot_ref(attempt))
        assert any("ref is missing" in line for line in await collect_garbage(rooms, dry_run=False))
        git(repo, "update-ref", snapshot_ref(attempt), (await _snapshot(rooms, attempt)))
        planned = await collect_garbage(rooms, dry_run=True)
        assert left.exists()
        assert await collect_garbage(rooms, dry_run=False) == planned
        assert not left.exists()
        assert list(rooms.layout.trash.iterdir()) == []
        assert strange.exists()


@pytest.mark.parametrize("now", [0, 4], ids=["set right", "ahead again, after an event by the right time"])
async def test_what_somebody_changed_after_the_clock_was_set_back_stays(
    repo: Path, open_engine: Open, monkeypatch: pytest.MonkeyPatch, now: int
) -> None:
    with monkeypatch.context() as ahead:
        shift(ahead, 3)
        async with open_engine(repo) as house:
            ended = await house.run_to_end("simulate: write code.txt fixed")
            await house.reached(ended, "workspace.released")
    async with rooms_of(repo) as rooms:
        left = rooms.layout.workspace(str(ended.latest_attempt_id))
        left.mkdir(mode=0o700)
        (left / "work.txt").write_text("somebody's own\n")
        if now:
            await rooms.ledger.write(
                lambda tx: tx.append(EventKind.RUN_CREATED, {"labels": RunLabels()}, run_id="later")
            )
        shift(monkeypatch, now)
        lines = await collect_garbage(rooms, dry_run=False)
        assert any(str(left) in line and "clock was set back" in line for line in lines)
        assert (left / "work.txt").exists()


async def _snapshot(rooms: Rooms, attempt_id: str) -> str:
    attempt = await rooms.ledger.read(lambda queries: queries.attempt(attempt_id))
    assert attempt is not None
    assert attempt.snapshot is not None
    return attempt.snapshot.commit


async def test_nothing_of_an_attempt_under_way_is_touched(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        step = await house.submit("simulate: write code.txt half\nsimulate: hang")
        await house.reached(step, "agent.started")
        before = refs(repo)
        lines = await house.engine.gc(False, 0)
        assert any("is running" in line for line in lines)
        assert refs(repo) == before
        await house.engine.cancel(step.id, "t")
        await house.settled(step)


async def test_evidence_that_was_never_sealed_stays(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        ended = await house.run_to_end("simulate: write code.txt fixed")
        await house.reached(ended, "workspace.released")
    async with rooms_of(repo) as rooms:
        strange = rooms.layout.attempt_folder("att_00000000000000000000000000")
        (strange / "agent-1").mkdir(parents=True)
        sealed = rooms.layout.attempt_folder(str(ended.latest_attempt_id))
        sealed.mkdir(parents=True, exist_ok=True)
        lines = await collect_garbage(rooms, dry_run=False)
        assert any(str(strange) in line and line.startswith("kept") for line in lines)
        assert not sealed.exists()


async def test_a_ref_left_by_an_interrupted_removal_goes(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        failed = await house.run_to_end(FAILS)
        attempt = str(failed.latest_attempt_id)
        commit = refs(repo)[f"attempts/{attempt}"]
        await house.engine.gc(False, 0)
        git(repo, "update-ref", snapshot_ref(attempt), commit)
        assert any("it has expired" in line for line in await house.engine.gc(False))
    assert f"attempts/{attempt}" not in refs(repo)

    async with rooms_of(repo) as rooms:
        events = await rooms.ledger.read(lambda queries: queries.events(step_id=failed.id))
    expired = [each.body["refs"] for each in events if each.kind is EventKind.SNAPSHOT_EXPIRED]
    assert expired == [[snapshot_ref(attempt)]]


@pytest.fixture
def own_log() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("own_log")
async def test_it_happens_by_itself_and_a_fault_is_no_end(repo: Path) -> None:
    async with rooms_of(repo) as rooms:
        # Where git finds no repository any more, refs cannot be listed.
        (repo / ".git" / "HEAD").rename(repo / ".git" / "HEAD.away")
        (rooms.layout.trash / "one").mkdir()
        seen = {name: asyncio.Event() for name in ("gc.failed", "gc.line")}

        def note(_: object, __: str, line: Any) -> Any:
            seen[line["event_name"]].set()
            raise structlog.DropEvent

        structlog.configure(processors=[note])
        at_it = asyncio.create_task(keep_house(rooms, first_after=0, every=0.01))
        async with asyncio.timeout(10):
            await seen["gc.failed"].wait()
            (repo / ".git" / "HEAD.away").rename(repo / ".git" / "HEAD")
            (rooms.layout.trash / "two").mkdir()
            await seen["gc.line"].wait()
        at_it.cancel()
        with pytest.raises(asyncio.CancelledError):
            await at_it


async def test_a_base_that_is_gone_refuses_another_try(repo: Path, open_engine: Open) -> None:
    (repo / "code.txt").write_text("not committed\n")
    async with open_engine(repo) as house:
        failed = await house.run_to_end(FAILS, base="dirty")
        await house.engine.gc(False, 0)
        git(repo, "update-ref", "-d", f"refs/codencer/bases/{failed.base.commit}")
        git(repo, "gc", "-q", "--prune=now")
        with pytest.raises(Conflict, match="no longer in the repository"):
            await house.engine.retry(failed.id, "t")
        assert (await house.engine.get_step(failed.id)).settled
