"""What `step state` says of a step that runs or waits, and the settings behind it, through the faces."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NewRun = Callable[[], str]

HANG = "simulate: write made.txt made\nsimulate: say half way there\nsimulate: hang"
SIMULATED = ("--adapter", "simulation")


@contextmanager
def at_work(place: Any, run: str, *words: str) -> Iterator[str]:
    """A step whose agent hangs until the block is left."""
    step = place.json("submit", run, "--goal", HANG, *SIMULATED, *words)["id"]
    with place.open("step", "logs", step, "--follow") as follower:
        while follower.stdout.readline() != "hanging\n":
            pass
        try:
            yield step
        finally:
            place.json("step", "cancel", step)
            assert follower.wait(30) == 0
    assert place.run("step", "wait", step).code == 4


def test_a_running_step_is_told_in_facts(shared: Any, new_run: NewRun) -> None:
    run = new_run()
    with at_work(shared, run) as step:
        found = shared.json("step", "state", step)
        live = found["live"]
        assert found["state"] == "running"
        assert (live["stage"], live["launch"]) == ("running", "agent-1")
        assert (live["last_output"], live["files_changed"]) == ("hanging", 1)
        assert live["processes"] >= 1
        assert live["memory_bytes"] > 2**20
        assert live["cpu_ms"] >= 0
        assert 0 <= live["last_output_ms"] < 60_000
        told = shared.run("step", "state", step).out
        for words in ("running (agent-1)", "ago: hanging", "processes:", " MiB", "1 files so far"):
            assert words in told
        [listed] = shared.json("step", "list", run)
        assert listed["live"] is None
        early = shared.run("step", "retry", step, "--force", "--json")
        assert (early.code, early.json["error"]) == (1, "conflict")
        assert "once it is settled" in early.json["message"]
        assert shared.json("step", "state", step)["attempts"] == 1
    assert shared.json("step", "state", step)["live"] is None


def test_waiting_steps_say_why(place: Any, tmp_path: Path) -> None:
    (place.top / ".codencer").mkdir()
    settings = "max_parallel = {overall = 4, per_adapter = 1}\n"
    (place.top / ".codencer" / "config.toml").write_text(settings)
    run = place.json("run", "start")["id"]
    other = place.json("run", "start")["id"]
    with at_work(place, run) as step:
        assert place.json("step", "state", step)["waiting"] is None
        second = place.json("submit", run, "--goal", "simulate: say 2", *SIMULATED)
        third = place.json("submit", other, "--goal", "simulate: say 3", *SIMULATED, "--priority", "3")["id"]
        reason = "its adapter simulation has 1 of 1 attempts under way"
        assert place.json("step", "state", third)["waiting"] == reason
        found = place.json("step", "state", second["id"])
        assert found["waiting"] == f"queued behind 1; {reason}"
        assert found["live"] is None
        assert reason in place.run("step", "state", third).out
        listed = place.json("step", "list", run)
        assert [each["waiting"] for each in listed] == [None, f"queued behind 1; {reason}"]
        place.json("run", "pause", other)
        assert place.json("step", "state", third)["waiting"] == f"run {other} is paused"
        given_up = place.run("step", "wait", third, "--timeout", "0.5")
        assert given_up.code == 3
        assert f"it waits: run {other} is paused" in given_up.err
        assert place.json("stop")["stopped"]
        assert place.json("step", "state", third)["waiting"] == f"run {other} is paused"
    assert place.json("step", "wait", second["id"])["state"] == "completed"
    place.json("run", "resume", other)
    done = place.json("step", "wait", third)
    assert (done["state"], done["priority"]) == ("completed", 3)


def test_a_memory_floor_holds_back_and_says_so(place: Any) -> None:
    place.env["CODENCER_MEMORY_FLOOR_MB"] = str(2**24)
    run = place.json("run", "start")["id"]
    step = place.json("submit", run, "--goal", "simulate: say hello", *SIMULATED)["id"]
    waiting = ""
    while not waiting.startswith("waiting for memory: "):
        waiting = place.json("step", "state", step)["waiting"]
        assert waiting, "it must not begin"
    assert waiting.endswith(f" MiB available, {2**24} wanted")
    place.json("stop")
    del place.env["CODENCER_MEMORY_FLOOR_MB"]
    assert place.json("step", "wait", step)["state"] == "completed"


@pytest.mark.parametrize("priority", ["high", "1001"])
def test_a_priority_that_is_none(shared: Any, new_run: NewRun, priority: str) -> None:
    words = ("--goal", "simulate: say x", *SIMULATED, "--priority", priority)
    refused = shared.run("submit", new_run(), *words, "--json")
    assert refused.code == 1
    assert "priority" in refused.json["message"]
