"""The watch over an agent's scope as a person meets it: a setting, a warning, an agent that is stopped."""

import json
from pathlib import Path
from typing import Any

import pytest

from codencer.process import inotify

pytestmark = pytest.mark.skipif(not inotify.available(), reason="only Linux has inotify")

AGENT = "echo x > src.txt; (sleep 60 & echo $! > {pid}); echo secret > keys.pem; sleep 60"


def configure(place: Any, tmp_path: Path, mode: str) -> Path:
    pid = tmp_path / "pid"
    command = json.dumps(["sh", "-c", AGENT.format(pid=pid)])
    (place.top / ".codencer").mkdir()
    config = f'scope_watch = "{mode}"\n[adapters.stray]\ncommand = {command}\n'
    (place.top / ".codencer" / "config.toml").write_text(config)
    return pid


def test_an_agent_that_touches_a_forbidden_file_is_stopped_with_all_it_started(
    place: Any, tmp_path: Path
) -> None:
    place.env["CODENCER_SANDBOX"] = "none"  # inside, processes have other numbers
    pid = configure(place, tmp_path, "stop")
    task = {"goal": "x", "adapter_profile": "stray", "forbidden_paths": ["*.pem"], "timeout_seconds": 40}
    place.json("run", "start", "r")
    words = ("submit", "r", "--task-json", "-", "--trust", "--wait", "--json")
    done = place.run(*words, stdin=json.dumps(task))
    assert (done.code, done.json["state"]) == (2, "failed_terminal"), done
    result = done.json
    reason = "it left its scope: keys.pem (forbidden_paths)"
    assert "its agent changed out of its scope: keys.pem" in done.err
    assert f"its agent is stopped: {reason}" in done.err
    assert result["summary"] == f"stray was stopped: {reason}"
    assert result["warnings"][0] == "changed out of its scope while the agent was at work: keys.pem"
    assert result["agent"]["error_kind"] == "permission_denied"
    assert result["policy"]["reasons"] == ["forbidden_paths_touched: changed: keys.pem"]
    assert [each["path"] for each in result["files_changed"]] == ["keys.pem", "src.txt"]
    assert not Path("/proc", pid.read_text().strip()).exists()
    shown = place.run("step", "result", result["step_id"]).out
    assert reason in shown


def test_with_warn_it_ends_by_itself_and_the_diff_decides(place: Any, tmp_path: Path) -> None:
    configure(place, tmp_path, "warn")
    task = {"goal": "x", "adapter_profile": "stray", "allowed_paths": ["/src.txt"], "timeout_seconds": 3}
    place.json("run", "start", "r")
    words = ("submit", "r", "--task-json", "-", "--trust", "--wait", "--json")
    done = place.run(*words, stdin=json.dumps(task))
    assert (done.code, done.json["state"]) == (3, "timeout"), done
    assert done.json["warnings"][0] == "changed out of its scope while the agent was at work: keys.pem"


def test_a_word_that_is_none_is_refused(place: Any) -> None:
    done = place.run("start", env={"CODENCER_SCOPE_WATCH": "sometimes"})
    assert done.code == 1
    assert "expected one of off, warn, stop" in done.err
