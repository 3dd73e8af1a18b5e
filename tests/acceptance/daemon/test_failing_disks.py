"""A daemon whose disk fails and whose clock jumps, seen through its faces; the machine's own stay."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.faults import Faults, why_not

from codencer.ledger import verify

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

Ask = Callable[..., Any]
DAY = 86_400
SIMULATED = ("--adapter", "simulation")


@pytest.fixture
def faults(place: Any, fault_library: Path, tmp_path: Path) -> Faults:
    """Those of the daemon that already runs in `place`."""
    made = Faults(fault_library, tmp_path / "control", (place.state,))
    started = place.run("start", env=made.environment)
    assert started.code == 0, started
    place.json("run", "start", "r")
    return made


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def waits_for(gate: Path) -> str:
    return f"simulate: say begun\nsimulate: run while ! test -e {gate}; do sleep 0.05; done\nsimulate: say on"


def at_work(place: Any, goal: str, *words: str) -> str:
    """A step whose agent has said that it began."""
    step: str = place.json("submit", "r", "--goal", goal, *SIMULATED, *words)["id"]
    with place.open("step", "logs", step, "--follow") as follower:
        assert follower.stdout.readline() == "begun\n"
        follower.kill()
    return step


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS], ids=["EIO", "EROFS"])
def test_what_cannot_be_recorded_is_refused_and_the_rest_goes_on(
    place: Any, faults: Faults, gate: Path, number: int
) -> None:
    step = at_work(place, waits_for(gate) + "\nsimulate: write made.txt made")
    faults.fail(number)
    refused = place.run("run", "start", "refused", "--json")
    assert (refused.code, refused.json["error"], refused.json["status"]) == (5, "storage_failed", 503)
    assert "codencer.db" in refused.json["message"]
    said = place.json("doctor", code=5)
    assert any(not each["ok"] and "codencer.db" in each["detail"] for each in said["checks"])
    gate.touch()
    held = ""
    while "held up" not in held:
        held = place.json("step", "state", step)["waiting"] or ""
    assert [each["id"] for each in place.json("run", "list")] == ["r"], "reading goes on"
    faults.mend()
    done = place.json("step", "wait", step)
    assert done["state"] == "completed"
    assert place.git("show", f"refs/codencer/attempts/{done['attempt_id']}:made.txt") == "made\n"
    place.json("run", "start", "accepted")
    place.json("stop")
    assert verify(place.state / "codencer.db").ok
    assert {each["id"] for each in place.json("run", "list")} == {"r", "accepted"}


@pytest.mark.parametrize("days", [3, -3])
def test_a_clock_that_jumps_ends_nothing_and_loses_nothing(
    place: Any, faults: Faults, gate: Path, days: int
) -> None:
    step = at_work(place, waits_for(gate), "--timeout", "45")
    faults.set_clock(days * DAY)
    other = place.json("submit", "r", "--goal", "simulate: say hello", *SIMULATED, "--wait")
    assert other["state"] == "completed"
    place.json("gc")
    faults.set_clock(-days * DAY)
    gate.touch()
    assert place.json("step", "wait", step)["state"] == "completed"
    for each in (step, other["step_id"]):
        result = place.json("step", "result", each)
        assert place.git("rev-parse", f"refs/codencer/attempts/{result['attempt_id']}")
        assert 0 <= result["timings"]["run"] < 45_000
    place.json("stop")
    assert verify(place.state / "codencer.db").ok
    planned = place.json("gc", "--dry-run")["lines"]
    assert not any(line.startswith("removed") and "/attempts/" in line for line in planned), planned
