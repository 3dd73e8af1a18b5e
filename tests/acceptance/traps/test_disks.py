"""A full or read-only disk: told in plain words, nothing acknowledged is lost, and it goes on afterwards."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Mount = Callable[[Path, str], Any]
SIMULATED = ("--adapter", "simulation")


def told(place: Any, error: str, said: str, *words: str) -> None:
    done = place.run(*words, "--json")
    assert (done.code, done.json["error"]) == (5, error), done
    assert said in done.json["message"], done
    assert str(place.state) in done.json["message"], "it says where"


def test_nothing_begins_in_a_state_folder_that_cannot_be_written(place: Any, mount: Mount) -> None:
    disk = mount(place.state, "4m")
    before = place.git("for-each-ref"), place.git("status", "--porcelain")
    disk.remount("ro")
    for words in (("start",), ("run", "start", "r"), ("submit", "r", "--goal", "x")):
        told(place, "storage_failed", "Read-only file system", *words)
    assert place.run("doctor").code == 5
    assert list(place.state.iterdir()) == []
    assert (place.git("for-each-ref"), place.git("status", "--porcelain")) == before
    disk.remount("rw")
    assert place.run("run", "start", "r").code == 0


def test_no_ledger_begins_on_a_full_disk(place: Any, mount: Mount) -> None:
    mount(place.state, "16k")
    told(place, "storage_failed", "full", "start")
    doctor = place.run("doctor")
    assert doctor.code == 5
    assert f"{place.state} has 0 MiB left" in doctor.out
    assert not (place.state / "codencer.db").exists()


def test_a_disk_that_fills_up_during_a_step_loses_and_blocks_nothing(
    place: Any, mount: Mount, tmp_path: Path
) -> None:
    """The agent ends, a second step is asked for, and the daemon is asked how it is, all on a full disk."""
    disk = mount(place.state, "4m")
    began, go, done = tmp_path / "began", tmp_path / "go", tmp_path / "done"
    for pipe in (began, go, done):
        os.mkfifo(pipe)
    place.json("run", "start", "r")
    goal = f"simulate: run echo > {began}; read x < {go}; echo work > work.txt; echo > {done}"
    step = place.json("submit", "r", "--goal", goal, *SIMULATED)["id"]
    began.read_text()
    waiting = place.open("step", "wait", step, "--json")
    ballast = disk.fill()
    pid = place.json("instance")["pid"]
    told(place, "storage_failed", "full", "submit", "r", "--goal", "simulate: say x", *SIMULATED)
    told(place, "storage_failed", "full", "run", "start", "q")
    go.write_text("\n")
    done.read_text()
    follow_until_held_up(place, step)
    assert waiting.poll() is None
    ballast.unlink()
    waiting.communicate(timeout=50)
    result = place.json("step", "result", step, code=waiting.returncode)
    # Whether what the agent printed still fitted decides how it ended; its work is kept either way.
    assert result["state"] in ("completed", "failed_adapter"), result
    assert place.git("show", f"{result['snapshot_commit']}:work.txt") == "work\n"
    assert [each["name"] for each in place.json("step", "list", "r")] == ["1"], "the refused one left nothing"
    assert (
        place.json("submit", "r", "--goal", "simulate: say x", *SIMULATED, "--wait")["state"] == "completed"
    )
    assert place.json("instance")["pid"] == pid, "the daemon lived through it"
    assert place.run("doctor").out.count("chain and tables hold") == 1


def test_work_that_does_not_fit_waits_for_room(place: Any, mount: Mount) -> None:
    """Not the files are to blame: the step neither fails nor completes without them."""
    objects = place.top / ".git" / "objects"
    kept = {each: each.read_bytes() for each in objects.rglob("*") if each.is_file()}
    disk = mount(objects, "512k")
    for path, content in kept.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    place.json("run", "start", "r")
    goal = "simulate: write small.txt x\nsimulate: run head -c 600000 /dev/urandom > big.bin"
    step = place.json("submit", "r", "--goal", goal, *SIMULATED)["id"]
    follow_until_held_up(place, step, "No space left on device")
    workspace = Path(place.json("step", "path", step)["workspace"])
    assert (workspace / "big.bin").stat().st_size == 600_000
    disk.remount("size=8m")
    assert place.json("step", "wait", step)["state"] == "completed"
    result = place.json("step", "result", step)
    assert [each["path"] for each in result["files_changed"]] == ["big.bin", "small.txt"]
    assert place.json("step", "state", step)["attempts"] == 1


def follow_until_held_up(place: Any, step: str, said: str = "is full") -> None:
    """The state of a step that cannot go on says so; nothing can be recorded to be waited for."""
    for _ in range(200):
        if said in (place.json("step", "state", step)["waiting"] or ""):
            return
    raise AssertionError(place.run("step", "state", step))


def test_a_workspace_that_does_not_fit_fails_its_step_alone(place: Any, mount: Mount) -> None:
    (place.top / "big.bin").write_bytes(os.urandom(200_000))
    place.git("add", "big.bin")
    place.git("commit", "--quiet", "--message", "big")
    root = place.top.parent / "workspaces"
    disk = mount(root, "128k")
    place.env["CODENCER_WORKSPACE_ROOT"] = str(root)
    place.json("run", "start", "r")
    before = place.git("rev-parse", "HEAD"), place.git("status", "--porcelain")
    words = ("submit", "r", "--goal", "simulate: write x x", *SIMULATED, "--wait")
    failed = place.json(*words, code=5)
    assert (failed["state"], failed["retryable"]) == ("failed_bridge", True)
    assert "is full" in failed["summary"], failed["summary"]
    assert str(root) in failed["summary"], "it says where"
    assert [path.name for path in root.rglob("*") if path.is_file()] == [], "half a workspace keeps no space"
    disk.remount("size=4m")
    place.json("step", "retry", failed["step_id"])
    assert place.json("step", "wait", failed["step_id"])["state"] == "completed"
    assert (place.git("rev-parse", "HEAD"), place.git("status", "--porcelain")) == before
