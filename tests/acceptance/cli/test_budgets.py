"""Budgets of runs as a person meets them: words, exit codes, and what goes on when."""

import json
from typing import Any

COMMAND = '[adapters.slow]\ncommand = ["sh", "-c", "echo half > half.txt; sleep 60"]\n'
SPEND = "simulate: spend 100 400000"


def submit(place: Any, run: str, goal: str, *words: str) -> str:
    done = place.json("submit", run, "--goal", goal, "--adapter", "simulation", *words)
    return str(done["id"])


def test_a_run_without_budget_pauses_and_goes_on_with_more(place: Any) -> None:
    made = place.json("run", "start", "r", "--budget-cost-usd", "0.30", "--budget-tokens", "1000")
    limits = {"cost_usd": "0.3", "tokens": 1000, "seconds": None, "action": "pause", "accepted_unknown": 0}
    assert made["budget"] == limits
    place.json("submit", "r", "--goal", SPEND, "--adapter", "simulation", "--wait")
    step = submit(place, "r", SPEND)
    with place.open("run", "wait", "r") as waiting:
        told = waiting.stderr.readline()
        assert told.startswith("run r is paused: the budget of the run is used up: 0.4 of 0.3 USD"), told
        run = place.json("run", "state", "r")
        assert (run["state"], run["reason"]) == (
            "paused",
            "the budget of the run is used up: 0.4 of 0.3 USD",
        )
        spent = {key: run["spent"][key] for key in ("cost_usd", "tokens", "unknown")}
        assert spent == {"cost_usd": "0.4", "tokens": 100, "unknown": 0}
        shown = place.run("run", "state", "r").out
        assert "0.3 USD, 1000 tokens; then pause" in shown
        assert "0.4 USD, 100 tokens, 0 s of agents at work" in shown
        early = place.run("run", "resume", "r", "--json")
        assert (early.code, early.json["error"]) == (1, "conflict")
        assert "codencer run budget r" in early.json["message"]
        wrong = place.run("run", "budget", "r", "--cost-usd", "much", "--json")
        assert (wrong.code, wrong.json["error"]) == (1, "invalid_input")
        changed = place.run("run", "budget", "r", "--cost-usd", "2", "--tokens", "none")
        assert "codencer run resume r" in changed.err
        assert "2 USD; then pause" in changed.out
        assert place.run("run", "resume", "r").code == 0
        waiting.communicate(timeout=50)
        assert waiting.returncode == 0
    assert place.json("step", "state", step)["state"] == "completed"
    assert place.json("run", "finish", "r")["state"] == "completed"


def test_a_run_may_fail_instead_and_its_agents_are_stopped_in_time(place: Any) -> None:
    config = place.top / ".codencer" / "config.toml"
    config.parent.mkdir()
    config.write_text(COMMAND)
    place.json("run", "start", "r", "--budget-seconds", "1", "--budget-action", "fail")
    task = json.dumps({"goal": "x", "adapter_profile": "slow"})
    done = place.run("submit", "r", "--task-json", "-", "--trust", "--wait", "--json", stdin=task)
    assert (done.code, done.json["state"]) == (2, "failed_terminal")
    assert done.json["summary"].startswith("slow was stopped: the budget of the run is used up: 1.")
    assert [each["path"] for each in done.json["files_changed"]] == ["half.txt"]
    never = place.run("submit", "r", "--task-json", "-", "--wait", "--json", stdin=task)
    assert (never.code, never.json["attempt_number"]) == (2, 0)
    assert place.run("run", "wait", "r").code == 2
    assert place.run("run", "start", "s", "--budget-action", "fail").code == 1
