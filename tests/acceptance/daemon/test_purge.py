"""Purging takes everything of ours away, says what, and leaves the repository byte for byte."""

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

from codencer.ledger import Ledger
from codencer.model.event import EventKind
from codencer.model.landing import LandForm, Landing


def tree(top: Path) -> dict[str, object]:
    """Every file below with its content; of folders, that they are there."""
    found: dict[str, object] = {}
    for folder, _, files in os.walk(top):
        found[os.path.relpath(folder, top)] = None
        for name in files:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            key = os.path.relpath(path, top)
            found[key] = os.readlink(path) if stat.S_ISLNK(mode) else (stat.S_IMODE(mode), path.read_bytes())
    # Objects nobody names any more are git's to collect.
    return {name: content for name, content in found.items() if not name.startswith(".git/objects/")}


def gone(pid: int) -> bool:
    """Whether a process has ended, be it reaped or not."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_all_of_ours_goes_and_nothing_of_the_users(place: Any) -> None:
    (place.top / "mine.txt").write_text("not committed\n")
    place.git("tag", "kept")
    before = tree(place.top)
    place.json("run", "start", "r")
    goal = ("--goal", "simulate: write code.txt x", "--adapter", "simulation")
    place.json("submit", "r", *goal, "--base", "dirty", "--wait")
    pid = place.json("instance")["pid"]
    assert "the daemon runs" in place.run("purge", "--yes").err
    refused = place.run("purge", "--kill")
    assert refused.code == 1
    for word in (str(place.state), "refs/codencer/attempts/", "refs/codencer/bases/", "--yes"):
        assert word in refused.err
    home = Path(place.env["HOME"]) / ".local" / "state" / "codencer"
    assert str(home) in refused.err
    assert place.git("for-each-ref", "refs/codencer") != ""
    removed = place.json("purge", "--yes", "--kill")
    assert len(removed["refs"]) >= 2
    assert gone(pid)
    assert tree(place.top) == before
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert [path.name for path in home.iterdir()] == ["instances"]
    assert place.json("purge", "--yes")["removed"] == []


def test_what_is_at_work_is_ended_only_on_request(place: Any) -> None:
    place.env["CODENCER_SANDBOX"] = "none"  # inside, processes have other numbers
    place.json("run", "start", "r")
    mark = place.top.parent / "alive"
    goal = f"simulate: run sleep 300 & echo $! > {mark}\nsimulate: say x\nsimulate: hang"
    step = place.json("submit", "r", "--goal", goal, "--adapter", "simulation")["id"]
    follower = place.open("step", "logs", step, "--follow")
    while follower.stdout.readline() != "x\n":
        pass
    place.json("stop")
    follower.communicate()
    assert "still at work" in place.run("purge", "--yes").err
    pid = int(mark.read_text())
    assert not gone(pid)
    place.json("purge", "--yes", "--kill")
    assert gone(pid)
    assert not place.state.exists()


def test_evidence_kept_elsewhere_goes_and_what_lies_beside_it_stays(place: Any) -> None:
    beside = place.top.parent / "evidence"
    beside.mkdir()
    (beside / "mine.txt").write_text("x")
    (beside / "ledger.txt").write_text("x")
    env = {
        "CODENCER_ARTIFACT_ROOT": str(beside),
        "CODENCER_DB_PATH": str(beside / "ledger.db"),
    }
    assert place.run("run", "start", "r", env=env).code == 0
    words = ("submit", "r", "--goal", "simulate: write a x", "--adapter", "simulation", "--wait")
    assert place.run(*words, env=env).code == 0
    assert place.run("stop", env=env).code == 0
    assert (beside / "r").is_dir()
    assert place.run("purge", "--yes", env=env).code == 0
    assert sorted(each.name for each in beside.iterdir()) == ["ledger.txt", "mine.txt"]


def test_a_landing_that_was_cut_off_is_finished_first(place: Any) -> None:
    place.json("run", "start", "r")
    goal = ("--goal", "simulate: write code.txt x", "--adapter", "simulation")
    step = place.json("submit", "r", *goal, "--wait")["step_id"]
    place.json("stop")
    head = place.git("rev-parse", "HEAD").strip()
    landing = Landing(
        form=LandForm.BRANCH,
        target="side",
        checkout=str(place.top),
        git_dir=".",
        mark="0a1b",
        base=head,
        tree=place.git("rev-parse", "HEAD^{tree}").strip(),
        files=1,
        ref="refs/heads/side",
        commit=head,
    )
    ledger = Ledger.open(place.state / "codencer.db")
    body = {"actor": "t", "landing": landing}
    asyncio.run(ledger.write(lambda tx: tx.append(EventKind.STEP_LANDING, body, step_id=step)))
    ledger.close()
    refused = place.run("purge", "--yes", "--kill")
    assert (refused.code, step in refused.err) == (1, True), refused
    place.json("start")
    place.json("stop")
    assert place.git("rev-parse", "side").strip() == head
    assert str(place.state) in place.json("purge", "--yes")["removed"]
