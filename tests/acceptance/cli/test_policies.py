"""`codencer policy`: exit codes, and what a person is shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

NewRun = Callable[[], str]

GOOD = "version: v1\nname: ours\ngate_when: {no_changes: true}\ncontinue_when: {}\n"
BAD = "version: v1\nname: ours\ngate_when:\n  no_change: true\ncontinue_when: {}\n"


def test_a_policy_is_checked_explained_and_tried(shared: Any, new_run: NewRun, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GOOD)
    bad.write_text(BAD)
    assert shared.run("policy", "check", str(good)).out == f"{good}: policy ours is valid\n"
    done = shared.run("policy", "check", str(bad))
    assert (done.code, done.out[: len(f"{bad}:4: ")]) == (1, f"{bad}:4: ")
    document = shared.json("policy", "check", str(bad), code=1)
    assert (document["valid"], [each["line"] for each in document["problems"]]) == (False, [4])
    assert shared.json("policy", "check", str(tmp_path / "none"), code=1)["error"] == "not_found"
    task = json.dumps({"goal": "simulate: say nothing", "is_simulation": True})
    step = shared.run("submit", new_run(), "--task-json", "-", "--wait", "--json", stdin=task).json
    assert shared.json("policy", "explain", step["step_id"])["decision"] == "continue"
    told = shared.run("policy", "try", str(good), step["step_id"]).out
    assert "gate: needs_approval" in told
    assert "no_changes: no file was changed" in told
    assert "continue: completed" in told
