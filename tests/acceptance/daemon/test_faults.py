"""Faults of disk and record: found, explained, mended where that is safe, and gone afterwards."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from codencer.ledger import verify

FIXED = ("--goal", "simulate: write code.txt fixed", "--adapter", "simulation", "--wait")
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def used(place: Any) -> Any:
    """A place with one completed step, and a daemon."""
    place.json("run", "start", "r")
    place.json("submit", "r", *FIXED)
    place.json("gc")
    return place


def checked(place: Any, code: int = 0) -> dict[str, tuple[bool, str]]:
    """What is found without a daemon, by check."""
    with place.daemon("--check", "doctor") as process:
        out, err = process.communicate()
    assert process.returncode == code, (out, err)
    return {each["name"]: (each["ok"], each["detail"]) for each in json.loads(out)}


def doctor(place: Any, code: int, *flags: str) -> dict[str, tuple[bool, str]]:
    """The same, and more, as a person sees it."""
    checks = place.json("doctor", *flags, code=code)["checks"]
    return {each["name"]: (each["ok"], each["detail"]) for each in checks}


def change(place: Any, *statements: str) -> None:
    with closing(sqlite3.connect(place.state / "codencer.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_what_can_be_mended_is_and_a_broken_chain_never(used: Any) -> None:
    used.json("stop")
    before = used.git("for-each-ref")
    ref = used.git("for-each-ref", "--format=%(refname)", "refs/codencer/attempts").strip()
    used.git("update-ref", "-d", ref)
    change(used, "UPDATE steps SET state = 'failed_bridge'")
    [trash] = Path(used.env["HOME"]).glob(".local/state/codencer/*/trash")
    trash.rmdir()
    ours = used.state / "launches" / "att_x" / "index.lock"
    ours.parent.mkdir(parents=True)
    ours.touch()
    theirs = used.top / ".git" / "index.lock"
    theirs.touch()

    said = doctor(used, 5)
    assert ref in said["snapshots"][1]
    assert "the chain holds" in said["ledger"][1]
    assert str(trash) in said["folders"][1]
    assert str(theirs) in said["index.lock"][1]
    assert ours.exists()
    assert used.git("for-each-ref") != before, "looking mends nothing"

    said = doctor(used, 0, "--repair")
    wrong = {name for name, (ok, _) in said.items() if not ok and not name.startswith("adapter ")}
    assert wrong == {"index.lock"}
    assert used.git("for-each-ref") == before
    assert trash.is_dir()
    assert theirs.exists(), "the user's own file stays"
    assert not ours.exists()
    assert verify(used.state / "codencer.db").ok
    assert len(list(used.state.glob("codencer.db.before-rebuild-*.bak"))) == 1

    change(used, "DROP TRIGGER events_never_change", "UPDATE events SET at = at + 1 WHERE seq = 3")
    broken = (used.state / "codencer.db").read_bytes()
    said = doctor(used, 5, "--repair")
    assert "up to event 2" in said["ledger"][1]
    assert (used.state / "codencer.db").read_bytes() == broken


@pytest.fixture
def hold() -> Iterator[Callable[[Path], "subprocess.Popen[str]"]]:
    """Begins a transaction of another process on a ledger."""
    started: list[subprocess.Popen[str]] = []

    def begin(path: Path) -> "subprocess.Popen[str]":
        words = [sys.executable, "-c", HOLD, str(path)]
        holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        return holder

    yield begin
    for each in started:
        each.kill()
        each.communicate()


def test_a_running_daemon_reports_and_recovers(
    used: Any, hold: Callable[[Path], "subprocess.Popen[str]"]
) -> None:
    """A lock that another process holds, evidence that is gone, and the daemon's own death."""
    holder = hold(used.state / "codencer.db")
    refused = used.json("run", "start", "again", code=5)
    assert refused["status"] == 503
    said = doctor(used, 5)
    assert f"process {holder.pid}" in said["ledger lock"][1]
    assert "holds the lock" in said["daemon"][1]
    holder.communicate("")
    shutil.rmtree(used.state / "artifacts")
    assert used.json("submit", "r", *FIXED)["state"] == "completed", "the folder is made when it is needed"
    said = doctor(used, 0)
    assert said["daemon"][0]
    assert not said["evidence"][0]
    shutil.rmtree(used.state / "artifacts")
    assert str(used.state / "artifacts") in checked(used, 5)["folders"][1]

    descriptor = json.loads((used.state / "daemon.json").read_bytes())
    os.kill(descriptor["pid"], signal.SIGKILL)
    used.open("version").communicate()
    doctor(used, 0, "--repair")
    assert not (used.state / "daemon.json").exists()
    assert not Path(descriptor["socket"]).exists()
    assert (used.state / "artifacts").is_dir()
    assert not list(Path(used.env["HOME"]).glob(".local/state/codencer/instances/*"))
