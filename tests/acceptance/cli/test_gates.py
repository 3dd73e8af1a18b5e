"""Gates as a person answers them: the tree that was shown, once, and what becomes of step and run."""

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NewRun = Callable[[], str]
EDIT = "simulate: write src/a.txt fixed"


def gated(place: Any, run: str, goal: str = EDIT, **keys: object) -> dict[str, Any]:
    """The result of a step that changed something outside of its allowed paths."""
    task = {"goal": goal, "allowed_paths": ["docs/**"], "is_simulation": True, **keys}
    done = place.run("submit", run, "--task-json", "-", "--wait", "--json", stdin=json.dumps(task))
    assert done.code == 4, done
    found: dict[str, Any] = done.json
    assert found["state"] == "needs_approval"
    return found


def run_state(place: Any, run: str) -> str:
    return str(place.json("run", "state", run)["state"])


def test_an_approved_step_is_completed_and_can_be_landed(place: Any) -> None:
    run = place.json("run", "start")["id"]
    result = gated(place, run)
    assert run_state(place, run) == "paused_for_gate"
    [listed] = place.json("gate", "list", run)
    assert listed["id"] == result["gate_id"]
    shown = place.json("gate", "show", "latest")
    assert shown["snapshot_tree"] == result["snapshot_tree"]
    assert shown["validated_tree"] == result["validated_tree"]
    assert (shown["files_changed"], shown["additions"]) == (1, 1)
    assert shown["facts"]["paths_outside_scope"] == ["src/a.txt"]
    told = place.run("gate", "show", "latest").out
    assert "changed: src/a.txt" in told
    assert result["snapshot_tree"] in told
    words = ("--tree", result["snapshot_tree"], "--note", "looks right")
    closed = place.json("gate", "approve", result["gate_id"], *words)
    assert (closed["state"], closed["note"], closed["actor"]) == (
        "approved",
        "looks right",
        f"uid:{os.getuid()}",
    )
    step = place.json("step", "state", result["step_id"])
    assert (step["state"], step["revision"]) == ("completed", 1)
    assert "approved by" in step["summary"]
    assert run_state(place, run) == "running"
    assert place.json("gate", "list", run) == []
    assert [each["state"] for each in place.json("gate", "list", run, "--all")] == ["approved"]
    assert place.run("step", "wait", result["step_id"]).code == 0
    assert place.run("land", result["step_id"]).code == 0
    assert (place.top / "src" / "a.txt").read_text() == "fixed\n"
    assert place.json("run", "finish", run)["state"] == "completed"


def test_a_run_shows_that_a_gate_is_open_for_as_long_as_one_is(shared: Any, new_run: NewRun) -> None:
    run = new_run()
    one, two = gated(shared, run), gated(shared, run)
    # A person's pause goes first, and does not hide the gates afterwards.
    assert shared.json("run", "pause", run)["state"] == "paused"
    resumed = shared.json("run", "resume", run)
    assert (resumed["state"], resumed["reason"]) == ("paused_for_gate", "a gate is open")
    assert shared.run("run", "wait", run).code == 4
    # Other steps of the run go on meanwhile.
    shared.json("submit", run, "--goal", "simulate: say x", "--adapter", "simulation", "--wait")
    shared.json("gate", "approve", one["gate_id"], "--tree", one["snapshot_tree"])
    assert run_state(shared, run) == "paused_for_gate"
    shared.json("gate", "reject", two["gate_id"], "--note", "no")
    assert run_state(shared, run) == "running"


def test_a_gate_that_opens_in_a_paused_run_shows_once_it_goes_on(
    shared: Any, new_run: NewRun, tmp_path: Path
) -> None:
    run, began, go = new_run(), tmp_path / "began", tmp_path / "go"
    for pipe in (began, go):
        os.mkfifo(pipe)
    goal = f"simulate: run echo > {began}; read x < {go}\n{EDIT}"
    task = {"goal": goal, "allowed_paths": ["docs/**"], "is_simulation": True}
    step = shared.run("submit", run, "--task-json", "-", "--json", stdin=json.dumps(task)).json["id"]
    began.read_text()
    shared.json("run", "pause", run)
    go.write_text("go\n")
    assert shared.run("step", "wait", step).code == 4
    assert run_state(shared, run) == "paused"
    assert shared.json("run", "resume", run)["state"] == "paused_for_gate"
    shared.json("run", "abort", run)


def test_another_tree_or_a_second_answer_is_refused(shared: Any, new_run: NewRun) -> None:
    run = new_run()
    result = gated(shared, run)
    gate = result["gate_id"]
    other = shared.run("gate", "approve", gate, "--tree", result["base_commit"], "--json")
    assert (other.code, other.json["error"]) == (1, "conflict")
    assert result["snapshot_tree"] in other.json["message"]
    silent = shared.run("gate", "approve", gate, "--json")
    assert (silent.code, silent.json["error"]) == (1, "invalid_input")
    assert "--tree" in silent.json["message"]
    assert shared.json("step", "state", result["step_id"])["state"] == "needs_approval"
    assert shared.run("gate", "reject", gate, "--note", "no").code == 0
    again = shared.run("gate", "approve", gate, "--tree", result["snapshot_tree"], "--json")
    assert (again.code, again.json["error"]) == (1, "conflict")
    assert "rejected already" in again.json["message"]


def test_a_rejected_step_has_failed(shared: Any, new_run: NewRun) -> None:
    run = new_run()
    result = gated(shared, run)
    assert shared.run("gate", "reject", result["gate_id"]).code == 1
    assert shared.json("gate", "reject", result["gate_id"], "--note", "wrong place")["state"] == "rejected"
    step = shared.json("step", "state", result["step_id"])
    assert (step["state"], step["retryable"]) == ("failed_terminal", True)
    assert "wrong place" in step["summary"]
    assert run_state(shared, run) == "running"
    assert shared.json("run", "finish", run, code=2)["state"] == "failed"


def test_a_rejection_with_retry_tells_the_agent_why(shared: Any, new_run: NewRun) -> None:
    run = new_run()
    # The scripted agent does the same again, and so it is asked again.
    result = gated(shared, run)
    shared.json("gate", "reject", result["gate_id"], "--note", "stay in docs", "--retry")
    assert shared.run("step", "wait", result["step_id"]).code == 4
    second = shared.json("step", "result", result["step_id"])
    assert (second["attempt_number"], second["state"]) == (2, "needs_approval")
    assert second["gate_id"] != result["gate_id"]
    path = next(
        each for each in shared.json("step", "artifacts", result["step_id"]) if each["name"] == "prompt.txt"
    )
    assert "stay in docs" in (shared.state / "artifacts" / path["path"]).read_text()
    shared.json("gate", "approve", second["gate_id"], "--tree", second["snapshot_tree"])
    assert shared.json("step", "state", result["step_id"])["state"] == "completed"


def test_warnings_stay_visible_after_an_approval(shared: Any, new_run: NewRun) -> None:
    check = {"name": "lint", "command": "false", "severity": "warning"}
    result = gated(shared, new_run(), validations=[check])
    shared.json("gate", "approve", result["gate_id"], "--tree", result["snapshot_tree"])
    step = shared.json("step", "state", result["step_id"])
    assert step["state"] == "completed_with_warnings"


def test_a_gate_of_an_aborted_run_or_of_a_retried_step_is_void(shared: Any, new_run: NewRun) -> None:
    run, other = new_run(), new_run()
    aborted, retried = gated(shared, run), gated(shared, other)
    shared.json("run", "abort", run)
    shared.json("step", "retry", retried["step_id"], "--wait", code=4)
    for result in (aborted, retried):
        late = shared.run("gate", "approve", result["gate_id"], "--tree", result["snapshot_tree"], "--json")
        assert (late.code, late.json["error"]) == (1, "conflict")
        assert "void already" in late.json["message"]
    assert shared.json("step", "state", aborted["step_id"])["state"] == "cancelled"
    assert run_state(shared, run) == "cancelled"


def test_a_run_with_an_open_gate_is_not_finished(shared: Any, new_run: NewRun) -> None:
    run = new_run()
    gate = gated(shared, run)["gate_id"]
    early = shared.run("run", "finish", run, "--json")
    assert (early.code, early.json["error"]) == (1, "conflict")
    assert f"open gate {gate}" in early.json["message"]
    assert run_state(shared, run) == "paused_for_gate"
    assert shared.json("gate", "show", gate)["state"] == "open"


@pytest.mark.parametrize("answer", ["approve", "reject"])
def test_a_gate_is_named_in_full_until_it_is_answered(shared: Any, new_run: NewRun, answer: str) -> None:
    result = gated(shared, new_run())
    step, gate = result["step_id"], result["gate_id"]
    printed = {
        words: gates_in(shared.run(*words))
        for words in (("step", "wait", step), ("step", "result", step), ("gate", "show", gate))
    }
    assert printed["step", "result", step] == printed["gate", "show", gate] == {gate}
    for each in set().union(*printed.values()):
        assert shared.run("gate", "show", each).code == 0
    words = {"approve": ("--tree", result["snapshot_tree"]), "reject": ("--note", "no")}[answer]
    shared.json("gate", answer, gate, *words)
    after = shared.json("step", "result", step)
    assert after["state"] == shared.json("step", "state", step)["state"] != "needs_approval"
    assert (after["gate_id"], after["needs_human_decision"]) == (None, False)
    assert gates_in(shared.run("step", "result", step)) == set()


def gates_in(done: Any) -> set[str]:
    """The gates that are named in what a person is shown."""
    return set(re.findall(r"gate_[0-9a-z]{26}", done.out + done.err))


def test_a_snapshot_that_was_moved_is_not_approved(place: Any) -> None:
    result = gated(place, place.json("run", "start")["id"])
    place.git("update-ref", f"refs/codencer/attempts/{result['attempt_id']}", "HEAD")
    late = place.run("gate", "approve", result["gate_id"], "--tree", result["snapshot_tree"], "--json")
    assert (late.code, late.json["error"]) == (1, "conflict")
    assert place.run("gate", "reject", result["gate_id"], "--note", "moved").code == 0


def test_an_agent_answers_no_gate(shared: Any, new_run: NewRun) -> None:
    result = gated(shared, new_run())
    words = " ".join(shared.command("gate", "approve", result["gate_id"], "--tree", result["snapshot_tree"]))
    given = " ".join(f"{name}={shared.env[name]}" for name in ("PYTHONPATH", "HOME", "XDG_RUNTIME_DIR"))
    goal = f"simulate: run cd {shared.top} && env {given} {words}; echo code=$?"
    done = shared.run("submit", new_run(), "--goal", goal, "--adapter", "simulation", "--wait", "--json")
    said = shared.run("step", "logs", done.json["step_id"]).out
    assert "code=1" in said
    assert shared.json("gate", "show", result["gate_id"])["state"] == "open"


@pytest.mark.parametrize(("answer", "state"), [("y", "approved"), ("n", "open")])
def test_a_person_at_a_terminal_confirms_what_is_shown(
    shared: Any, new_run: NewRun, answer: str, state: str
) -> None:
    result = gated(shared, new_run())
    ours, theirs = pty.openpty()
    command = shared.command("gate", "approve", result["gate_id"])
    with subprocess.Popen(
        command, cwd=shared.top, env=shared.env, stdin=theirs, stderr=theirs, stdout=theirs
    ):
        os.close(theirs)
        shown = b""
        while b"exactly this tree?" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, f"{answer}\n".encode())
    os.close(ours)
    assert result["snapshot_tree"].encode() in shown
    assert b"changed: src/a.txt" in shown
    assert shared.json("gate", "show", result["gate_id"])["state"] == state
