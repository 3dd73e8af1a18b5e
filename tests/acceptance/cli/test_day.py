"""The first day with the command line, against a real daemon, and the exit code of every outcome."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NewRun = Callable[[], str]

TASK = """\
version: v1
step_id: edit
goal: |
  simulate: write made.txt it was made
adapter_profile: simulation
validations:
  - name: there
    command: test -f made.txt
"""


def test_first_day(place: Any) -> None:
    assert place.run("doctor").code == 0
    assert place.run("run", "start", "first-run", "my-project").code == 0
    (place.top / "task.yaml").write_text(TASK)
    done = place.run("submit", "first-run", "task.yaml", "--wait", "--json")
    assert done.code == 0, done
    result = done.json
    assert result["state"] == "completed"
    step = result["step_id"]
    for verb in ("result", "logs", "artifacts", "validations", "state", "questions", "path"):
        assert place.run("step", verb, step).code == 0, verb
    [change] = result["files_changed"]
    assert change["path"] == "made.txt"
    assert not (place.top / "made.txt").exists()
    assert "made.txt" in place.run("step", "diff", step, "--stat").out
    assert "+it was made" in place.json("step", "diff", step)["diff"]
    landed = place.json("land", "first-run/edit", "mended", "--as", "branch")
    assert place.git("show", "mended:made.txt") == "it was made\n"
    assert landed["commit"] == place.git("rev-parse", "mended").strip()
    assert place.run("land", step).code == 0
    assert (place.top / "made.txt").read_text() == "it was made\n"
    assert place.run("run", "wait", "first-run").code == 0
    finished = place.json("run", "finish", "first-run")
    assert (finished["state"], finished["project_id"]) == ("completed", "my-project")
    assert place.run("submit", "first-run", "--goal", "late").code == 1
    found = place.json("instance")
    assert found["repo_root"] == str(place.top)
    assert Path(found["state_dir"]) == place.state
    assert place.json("doctor")["ok"]


def test_in_one_line(shared: Any) -> None:
    done = shared.run(
        "do", "simulate: write x.txt x", "--adapter", "simulation", "--validation", "test -f x.txt"
    )
    assert done.code == 0, done
    assert "state:      completed" in done.out
    assert "x.txt | 1 +" in done.out
    assert "codencer land step_" in done.err


@pytest.mark.parametrize(
    ("goal", "options", "state", "code"),
    [
        ("simulate: write x x", ("--validation", "false"), "failed_validation", 2),
        ("simulate: fail 3", (), "failed_adapter", 5),
        ("simulate: crash", (), "failed_adapter", 5),
        ("simulate: hang", ("--timeout", "1"), "timeout", 3),
    ],
)
def test_exit_code_tells_how_it_ended(
    shared: Any, new_run: NewRun, goal: str, options: tuple[str, ...], state: str, code: int
) -> None:
    words = ("--goal", goal, "--adapter", "simulation", "--wait", *options)
    done = shared.run("submit", new_run(), *words, "--json")
    assert (done.json["state"], done.code) == (state, code), done
    waited = shared.run("step", "wait", done.json["step_id"])
    assert waited.code == done.code


def test_cancel_and_retry(shared: Any, new_run: NewRun) -> None:
    run = new_run()
    step = shared.json("submit", run, "--goal", "simulate: hang", "--adapter", "simulation")["id"]
    timed_out = shared.run("step", "wait", step, "--timeout", "0.2", "--json")
    assert (timed_out.code, timed_out.json["error"]) == (3, "wait_timeout")
    assert step in timed_out.json["message"]
    assert shared.run("run", "finish", run).code == 1
    assert step in shared.run("ps", "--json").out
    shared.json("step", "cancel", step)
    assert shared.json("step", "wait", step, code=4)["state"] == "cancelled"
    again = shared.json("step", "retry", step, "--feedback", "try harder")
    assert (again["settled"], again["revision"]) == (False, 1)
    shared.json("run", "abort", run)
    assert shared.json("step", "wait", step, code=4)["attempts"] >= 1
    assert shared.json("run", "wait", run, code=4)["state"] == "cancelled"


@contextmanager
def on_a_terminal(
    shared: Any, *words: str
) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[bytes], bytes]]]:
    """Run a command whose stderr is a terminal; the function reads until some bytes came, or the end."""
    leader, follower = pty.openpty()
    shown = b""

    def read_until(wanted: bytes) -> bytes:
        nonlocal shown
        try:
            while wanted not in shown and (piece := os.read(leader, 65536)):
                shown += piece
        except OSError:
            pass  # a terminal whose other end is gone
        return shown

    with subprocess.Popen(
        shared.command(*words), cwd=shared.top, env=shared.env, stderr=follower, stdout=subprocess.PIPE
    ) as process:
        os.close(follower)
        try:
            yield process, read_until
        finally:
            os.close(leader)


def test_interrupted_wait_says_that_the_step_goes_on(shared: Any, new_run: NewRun) -> None:
    run = new_run()
    step = shared.json("submit", run, "--goal", "simulate: hang", "--adapter", "simulation")["id"]
    with shared.open("step", "logs", step, "--follow") as follower:
        assert follower.stdout.readline() == "hanging\n"
        with on_a_terminal(shared, "step", "wait", step) as (waiting, read_until):
            assert b"agent at work" in read_until(b"hanging")
            waiting.send_signal(signal.SIGINT)
            said = read_until(b"waits again")
            assert waiting.wait(30) == 130
        assert f"step {step} goes on".encode() in said
        shared.json("step", "cancel", step)
        assert follower.wait(30) == 0
    assert shared.run("step", "wait", step).code == 4


def test_the_status_line_is_for_terminals_only(shared: Any, new_run: NewRun) -> None:
    goal = "simulate: say working hard\nsimulate: sleep 0.5"
    words = ("submit", new_run(), "--goal", goal, "--adapter", "simulation", "--wait")
    quiet = shared.run(*words)
    assert "\x1b" not in quiet.out + quiet.err
    with on_a_terminal(shared, *words) as (process, read_until):
        shown = read_until(b"never said")
        assert process.wait(30) == 0
    assert b"agent at work" in shown
    assert b"working hard" in shown


def test_sources_are_kept_with_the_step(shared: Any, new_run: NewRun, tmp_path: Path) -> None:
    run = new_run()
    (tmp_path / "prompt.md").write_text("simulate: say from a file")
    (tmp_path / "task.json").write_text(json.dumps({"goal": "simulate: say json"}))
    simulated = ("--adapter", "simulation")
    for words, stdin in (
        (("--prompt-file", str(tmp_path / "prompt.md"), *simulated), ""),
        (("--task-json", str(tmp_path / "task.json"), *simulated), ""),
        (("--task-json", "-", *simulated), '{"goal": "simulate: say piped"}'),
        (("--stdin", *simulated), "simulate: say typed"),
    ):
        assert shared.json("submit", run, *words, "--wait", stdin=stdin)["state"] == "completed"
    texts = [shared.run("step", "logs", f"{run}/{n}").out for n in (1, 2, 3, 4)]
    assert texts == ["from a file\n", "json\n", "piped\n", "typed\n"]


def test_the_same_key_submits_once(shared: Any, new_run: NewRun) -> None:
    words = ("submit", new_run(), "--goal", "simulate: say once", "--adapter", "simulation")
    first = shared.json(*words, "--idempotency-key", "k")
    assert shared.json(*words, "--idempotency-key", "k")["id"] == first["id"]
    other = shared.run(*words, "--title", "another", "--idempotency-key", "k")
    assert other.code == 1


def test_init_makes_what_a_team_commits(place: Any) -> None:
    made = place.json("init")["made"]
    assert (place.top / ".codencer" / "artifacts").resolve() == place.state / "artifacts"
    assert place.git("status", "--porcelain", "--untracked-files=all").split() == [
        *("??", ".codencer/.gitignore"),
        *("??", ".codencer/config.toml"),
        *("??", ".codencer/policies/.gitkeep"),
    ]
    assert str(place.top / ".codencer" / "config.toml") in made
    assert place.json("init")["made"] == []
    assert place.run("config", "show", "--origin").code == 0


def test_purge_says_what_goes_and_needs_consent(place: Any) -> None:
    place.json("start")
    assert place.run("purge", "--yes").code == 1
    place.json("stop")
    refused = place.run("purge")
    assert refused.code == 1
    assert str(place.state) in refused.err
    assert place.state.is_dir()
    removed = place.json("purge", "--yes")["removed"]
    assert str(place.state) in removed
    assert not place.state.exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(place: Any, shell: str) -> None:
    script = place.run("completion", shell)
    assert script.code == 0
    assert "_CODENCER_COMPLETE" in script.out


def test_completion_offers_verbs(place: Any) -> None:
    asked = {"_CODENCER_COMPLETE": "bash_complete", "COMP_WORDS": "codencer step sta", "COMP_CWORD": "2"}
    assert place.run(env=asked).out.split() == ["plain,state"]


def test_logs_can_be_cut_off_by_the_reader(shared: Any, new_run: NewRun) -> None:
    words = ("--goal", "simulate: flood 2M", "--adapter", "simulation", "--wait")
    step = shared.json("submit", new_run(), *words)["step_id"]
    with shared.open("step", "logs", step) as reader:
        reader.stdout.readline()
        reader.stdout.close()
        assert reader.wait(30) == 0
    document = shared.json("step", "logs", step)
    assert sum(len(event["text"]) + 1 for event in document["events"]) >= 2 * 1024 * 1024
    assert document["left_off"] == 0
