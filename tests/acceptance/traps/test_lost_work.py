"""No work is lost, and no state is told twice: whatever became of an attempt, what it did is still there."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., Any]

WORK = "simulate: write new/one.txt 1\nsimulate: write new/two.txt 2\nsimulate: say half way\n"
ENDINGS: dict[str, tuple[str, dict[str, object], str, int]] = {
    "completed": ("", {}, "completed", 0),
    "false": ("", {"validations": [{"name": "v", "command": "exit 1"}]}, "failed_validation", 2),
    "warned": (
        "",
        {"validations": [{"name": "v", "command": "exit 1", "severity": "warning"}]},
        "completed_with_warnings",
        0,
    ),
    "crashed": ("simulate: crash", {}, "failed_adapter", 5),
    "declined": ("simulate: ask which one?", {}, "failed_terminal", 2),
    "forbidden": ("simulate: commit done", {"forbidden_paths": ["new/"]}, "failed_terminal", 2),
    "gated": ("simulate: commit done", {"allowed_paths": ["docs/"]}, "needs_approval", 4),
    "timeout": ("simulate: hang", {"timeout_seconds": 1}, "timeout", 3),
    "cancelled": ("simulate: hang", {}, "cancelled", 4),
}


EVIDENCE = {
    *("input.json", "task.json", "prompt.txt", "environment.json", "policy.json"),
    *("stdout.log", "stderr.log", "exit.json", "transcript.jsonl"),
    *("diff.patch", "changed_files.json", "result.json", "manifest.json"),
}


def submit(place: Any, run: str, name: str, goal: str, **task: object) -> str:
    document = {"goal": goal, "step_id": name, "adapter_profile": "simulation", **task}
    return str(place.json("submit", run, "--task-json", "-", stdin=json.dumps(document))["id"])


def test_what_an_attempt_did_is_there_whatever_became_of_it(place: Any, ask: Ask) -> None:
    place.json("run", "start", "r")
    steps = {
        name: submit(place, "r", name, WORK + goal, **task) for name, (goal, task, _, _) in ENDINGS.items()
    }
    follower = place.open("step", "logs", steps["cancelled"], "--follow")
    while follower.stdout.readline() != "hanging\n":
        pass
    place.json("step", "cancel", steps["cancelled"])
    follower.communicate()
    for name, (_, _, state, code) in ENDINGS.items():
        assert place.json("step", "wait", steps[name], code=code)["state"] == state, name
    place.json("gc")
    place.json("stop")
    place.json("start")
    for name, (_, _, state, _) in ENDINGS.items():
        check_evidence(place, ask, steps[name], state)
    assert place.git("status", "--porcelain") == ""
    assert place.json("run", "wait", "r", code=4)["steps_unsettled"] == 0


def check_evidence(place: Any, ask: Ask, step: str, state: str) -> None:
    """State and result agree, and the work, each file of it, its log and its evidence are all there."""
    result = ask(place, "GET", f"steps/{step}/result").json
    assert (result["state"], ask(place, "GET", f"steps/{step}").json["state"]) == (state, state)
    assert [each["path"] for each in result["files_changed"]] == ["new/one.txt", "new/two.txt"], state
    assert place.git("show", f"refs/codencer/attempts/{result['attempt_id']}:new/two.txt") == "2\n"
    assert b"half way" in ask(place, "GET", f"steps/{step}/logs").body
    names = {each["name"] for each in ask(place, "GET", f"steps/{step}/artifacts").json}
    assert {name.replace("input.txt", "input.json") for name in names} >= EVIDENCE, state
    assert bool(result["gate_id"]) == (state == "needs_approval")
    if result["gate_id"]:
        gate = ask(place, "GET", f"gates/{result['gate_id']}")
        assert (gate.status, gate.json["step_id"]) == (200, step), "a gate that is named exists"


def test_an_agent_that_could_not_start_leaves_its_evidence_too(place: Any) -> None:
    program = place.top.parent / "agent"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    (place.top / ".codencer").mkdir()
    (place.top / ".codencer" / "config.toml").write_text(f'[adapters.broken]\ncommand = ["{program}"]\n')
    place.json("run", "start", "r")
    words = ("submit", "r", "--goal", "x", "--adapter", "broken", "--trust", "--wait")
    result = place.json(*words, code=5)
    assert result["state"] == "failed_adapter"
    assert "interpreter" in result["summary"] or "No such file" in result["summary"], result["summary"]
    names = {each["name"] for each in place.json("step", "artifacts", result["step_id"])}
    assert {"input.txt", "task.json", "prompt.txt", "exit.json", "result.json", "manifest.json"} <= names


def test_waiting_never_ends_before_the_last_validation(place: Any, tmp_path: Path) -> None:
    """The validation meets the test at a pipe: until then nothing may say that the step is over."""
    began, go = tmp_path / "began", tmp_path / "go"
    for pipe in (began, go):
        os.mkfifo(pipe)
    place.json("run", "start", "r")
    line = f"echo > {began}; read x < {go}; exit 7"
    words = ("--goal", "simulate: say All tests pass", "--adapter", "simulation", "--validation", line)
    waiting = place.open("submit", "r", *words, "--wait", "--json")
    began.read_text()
    assert waiting.poll() is None
    step = place.json("step", "state", "r/1")
    assert (step["state"], step["settled"]) == ("validating", False)
    refused = place.run("step", "retry", "r/1")
    assert refused.code == 1
    assert "once it is settled" in refused.err
    assert place.run("land", "r/1").code == 1
    go.write_text("\n")
    out, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 2
    [validation] = json.loads(out)["validations"]
    assert (validation["state"], validation["exit_code"]) == ("failed", 7)
    assert validation["command"] == line
    assert validation["duration_ms"] > 0


def test_a_retry_that_succeeds_is_not_hidden_behind_the_old_failure(place: Any, tmp_path: Path) -> None:
    place.json("run", "start", "r")
    goal = f"simulate: run test -e {tmp_path}/again || {{ touch {tmp_path}/again; exit 3; }}"
    words = ("submit", "r", "--goal", goal, "--adapter", "simulation", "--wait")
    failed = place.json(*words, code=5)
    assert "code 3" in failed["summary"]
    step = failed["step_id"]
    place.json("step", "retry", step)
    place.json("step", "wait", step)
    result = place.json("step", "result", step)
    assert (result["state"], result["attempt_number"], result["revision"]) == ("completed", 2, 1)
    assert "code 3" not in json.dumps(result)
    assert "code 3" not in place.run("step", "state", step).out
    assert place.run("run", "wait", "r").code == 0
    assert place.json("run", "finish", "r")["state"] == "completed"
    folder = place.state / "artifacts" / "r" / step
    assert sorted(len(list(attempt.iterdir())) > 5 for attempt in folder.iterdir()) == [True, True]


def test_a_start_removes_nothing_it_does_not_own(place: Any) -> None:
    place.git("worktree", "add", "--quiet", "-b", "side", str(place.top.parent / "side"))
    (place.top.parent / "side" / "dirty.txt").write_text("200 lines")
    place.json("start")
    workspaces = Path(place.json("instance")["workspace_root"])
    [folder] = workspaces.glob("**/workspaces")
    place.json("stop")
    strange = [folder / "somebody" / "work.txt", folder / "att_00000000000000000000000000" / "work.txt"]
    for path in strange:
        path.parent.mkdir()
        path.write_text("not yours")
    place.json("start")
    kept = place.run("gc")
    assert kept.code == 0
    assert "the ledger does not know it" in kept.out
    assert [path.read_text() for path in strange] == ["not yours"] * 2
    assert (place.top.parent / "side" / "dirty.txt").exists()
    assert "side" in place.git("worktree", "list")


@pytest.mark.parametrize("running", [True, False])
def test_git_clean_in_the_checkout_takes_nothing_of_ours(place: Any, ask: Ask, running: bool) -> None:
    place.json("init")
    place.json("run", "start", "r")
    step = place.json("submit", "r", "--goal", WORK, "--adapter", "simulation", "--wait")["step_id"]
    if not running:
        place.json("stop")
    place.git("clean", "-ffdx")
    assert not (place.top / ".codencer").exists()
    place.json("start")
    check_evidence(place, ask, step, "completed")
    again = place.json("submit", "r", "--goal", WORK, "--adapter", "simulation", "--wait")
    assert again["state"] == "completed"
    assert place.git("status", "--porcelain") == ""
