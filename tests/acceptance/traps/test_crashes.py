"""The daemon dies, agents go on: nothing is blocked, started twice, orphaned or forgotten."""

import os
import select
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Ask = Callable[..., Any]
SIMULATED = ("--adapter", "simulation")


def kill(place: Any) -> None:
    """End the daemon as a crash of the machine's memory would: at once."""
    pid = place.json("instance")["pid"]
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert gone(handle)


def gone(handle: int) -> bool:
    try:
        return bool(select.select([handle], [], [], 20)[0])
    finally:
        os.close(handle)


def pipes(folder: Path, *names: str) -> list[Path]:
    made = [folder / name for name in names]
    for pipe in made:
        os.mkfifo(pipe)
    return made


def test_kill_9_neither_blocks_the_repository_nor_starts_a_second_agent(place: Any, tmp_path: Path) -> None:
    place.env["CODENCER_SANDBOX"] = "none"  # inside, processes have other numbers
    began, alone, asked, go = pipes(tmp_path, "began", "alone", "asked", "go")
    agent = tmp_path / "agent"
    agent.write_text(
        f"echo start >> {tmp_path}/starts; echo $$ > {began}; read x < {alone}\n"
        f"PYTHONPATH={place.env['PYTHONPATH']} {sys.executable} -P -m codencer.cli.main run list 2> {asked}\n"
        f"read x < {go}; echo late > late.txt\n"
    )
    place.json("run", "start", "r")
    step = place.json("submit", "r", "--goal", f"simulate: run sh {agent}", *SIMULATED)["id"]
    pid = int(began.read_text())
    kill(place)
    alone.write_text("\n")
    assert "from inside an attempt" in asked.read_text(), "it would be stopped with the attempt"
    assert place.run("run", "list", "--no-autostart").code == 5, "the agent's question started none"
    other = place.run("submit", "r", "--goal", "simulate: write other.txt x", *SIMULATED, "--wait", "--json")
    assert other.code == 0, other
    assert place.json("step", "state", step)["state"] == "running"
    assert Path(f"/proc/{pid}").exists(), "the same agent is still at work"
    go.write_text("\n")
    assert place.json("step", "wait", step)["attempts"] == 1
    assert "late.txt" in place.run("step", "diff", step, "--stat").out
    assert (tmp_path / "starts").read_text() == "start\n"


def test_an_agent_of_a_dead_daemon_is_no_orphan(place: Any, tmp_path: Path) -> None:
    place.env["CODENCER_SANDBOX"] = "none"  # inside, processes have other numbers
    (began,) = pipes(tmp_path, "began")
    place.json("run", "start", "r")
    goal = f"simulate: child\nsimulate: run echo $PPID > {began}\nsimulate: hang"
    step = place.json("submit", "r", "--goal", goal, *SIMULATED)["id"]
    agent = os.pidfd_open(int(began.read_text()))
    attempt = place.json("step", "state", step)["attempt_id"]
    assert marked(attempt) != []
    kill(place)
    place.json("step", "cancel", step)
    assert place.json("step", "wait", step, code=4)["state"] == "cancelled"
    assert gone(agent)
    assert marked(attempt) == [], "its child in a session of its own is gone too"


def marked(attempt: str) -> list[Path]:
    """Processes that carry the attempt's id in their environment."""
    return [each for each in Path("/proc").glob("[0-9]*") if attempt.encode() in environment(each)]


def environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def test_a_validation_that_was_cut_off_is_run_again(place: Any, tmp_path: Path) -> None:
    began, never = pipes(tmp_path, "began", "never")
    count = tmp_path / "count"
    line = f"echo x >> {count}; test $(wc -l < {count}) = 2 || {{ echo > {began}; read x < {never}; }}"
    place.json("run", "start", "r")
    goal = f"simulate: run echo start >> {tmp_path}/starts"
    step = place.json("submit", "r", "--goal", goal, *SIMULATED, "--validation", line)["id"]
    began.read_text()
    kill(place)
    assert place.json("step", "wait", step)["state"] == "completed"
    [validation] = place.json("step", "validations", step)
    assert (validation["state"], validation["exit_code"]) == ("passed", 0)
    assert (tmp_path / "starts").read_text() == "start\n"


def test_an_acknowledged_step_survives_kill_9_and_is_done_once(place: Any, ask: Ask, tmp_path: Path) -> None:
    place.json("run", "start", "r")

    def submit(number: int) -> Any:
        goal = f"simulate: run echo x >> {tmp_path}/{number}"
        body = {"text": goal, "format": "text", "overrides": {"adapter_profile": "simulation"}}
        return ask(place, "POST", "runs/r/steps", body)

    pid = place.json("instance")["pid"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(submit, range(6)))
        os.kill(pid, signal.SIGKILL)
    assert [answer.status for answer in answers] == [201] * 6
    assert len({answer.json["id"] for answer in answers}) == 6
    assert place.run("run", "wait", "r").code == 0
    steps = place.json("step", "list", "r")
    assert {step["id"] for step in steps} == {answer.json["id"] for answer in answers}
    assert {step["state"] for step in steps} == {"completed"}
    assert [(tmp_path / str(number)).read_text() for number in range(6)] == ["x\n"] * 6
    assert place.run("doctor").code == 0


def test_processes_that_submit_in_the_same_instant_get_steps_of_their_own(place: Any) -> None:
    place.json("run", "start", "r")
    words = ("submit", "r", "--goal", "simulate: say x", *SIMULATED, "--json")
    once = ("--idempotency-key", "k")
    commands = [place.open(*words, *once * (number < 2)) for number in range(6)]
    outputs = [command.communicate(timeout=30)[0] for command in commands]
    assert [command.returncode for command in commands] == [0] * 6
    assert outputs[0] == outputs[1] or len({out.split('"id": "')[1][:31] for out in outputs[:2]}) == 1
    assert len({out.split('"id": "')[1][:31] for out in outputs}) == 5
    assert place.json("run", "wait", "r")["steps_total"] == 5


def test_a_linked_worktree_shares_the_daemon_and_brings_its_own_head(place: Any) -> None:
    linked = place.top.parent / "linked"
    place.git("worktree", "add", "--quiet", "-b", "side", str(linked))
    (linked / "side.txt").write_text("side\n")
    place.git("-C", str(linked), "add", "side.txt")
    place.git("-C", str(linked), "commit", "--quiet", "--message", "side")
    place.json("run", "start", "r")
    words = ("submit", "r", "--goal", "simulate: append side.txt more", *SIMULATED, "--wait")
    done = place.run(*words, cwd=linked)
    assert done.code == 0, done
    assert "started the daemon" not in done.err
    here = place.run(*words)
    assert here.code == 0, here
    assert "A\tside.txt" in place.git("diff", "--name-status", "HEAD", newest_snapshot(place))
    assert (linked / ".git").is_file()
    assert place.git("status", "--porcelain") == ""


def newest_snapshot(place: Any) -> str:
    return str(place.json("step", "result", "latest")["snapshot_commit"])
