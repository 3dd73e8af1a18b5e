"""Gates and budgets over HTTP: the same words, the same documents and the same effects as the commands."""

import json
from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., Any]
NewRun = Callable[[], str]
TASK = {"goal": "simulate: write a.txt x", "allowed_paths": ["docs/"], "is_simulation": True}


def gated(shared: Any, run: str) -> dict[str, Any]:
    done = shared.run("submit", run, "--task-json", "-", "--wait", "--json", stdin=json.dumps(TASK))
    assert done.code == 4, done
    found: dict[str, Any] = done.json
    return found


def test_gates(shared: Any, unix: Ask, new_run: NewRun) -> None:
    run = new_run()
    one, two = gated(shared, run), gated(shared, run)
    shown = unix("GET", f"/api/v1/runs/{run}").json
    assert shown == shared.json("run", "state", run)
    assert (shown["state"], shown["reason"]) == ("paused_for_gate", "a gate is open")
    assert unix("GET", f"/api/v1/runs/{run}/gates").json == shared.json("gate", "list", run)
    gate = f"/api/v1/gates/{one['gate_id']}"
    assert unix("GET", gate).json == shared.json("gate", "show", one["gate_id"])
    wrong = unix("POST", gate, body={"action": "approve", "tree": one["base_commit"]})
    assert (wrong.status, wrong.code) == (409, "conflict")
    approved = unix("POST", gate, body={"action": "approve", "tree": one["snapshot_tree"], "note": "fine"})
    assert (approved.status, approved.json["state"], approved.json["note"]) == (200, "approved", "fine")
    assert unix("GET", f"/api/v1/runs/{run}").json["state"] == "paused_for_gate"
    rejected = unix("POST", f"/api/v1/gates/{two['gate_id']}", body={"action": "reject", "note": "no"})
    assert (rejected.status, rejected.json["state"]) == (200, "rejected")
    assert unix("GET", f"/api/v1/runs/{run}").json["state"] == "running"
    states = [each["state"] for each in unix("GET", f"/api/v1/runs/{run}/steps").json]
    assert states == ["completed", "failed_terminal"]


def test_budgets(shared: Any, unix: Ask, new_run: NewRun) -> None:
    made = unix("POST", "/api/v1/runs", body={"id": "thrifty", "budget": {"cost_usd": "2.50", "tokens": 9}})
    limits = {"cost_usd": "2.5", "tokens": 9, "seconds": None, "action": "pause", "accepted_unknown": 0}
    assert (made.status, made.json["budget"]) == (201, limits)
    body = {"action": "budget", "budget": {"seconds": 60, "action": "fail"}}
    changed = unix("PATCH", "/api/v1/runs/thrifty", body=body).json
    assert changed["budget"] == limits | {"cost_usd": None, "tokens": None, "seconds": 60, "action": "fail"}
    assert changed["spent"] == {"cost_usd": "0", "tokens": 0, "seconds": 0, "unknown": 0}
    assert shared.json("run", "state", "thrifty") == unix("GET", "/api/v1/runs/thrifty").json


@pytest.mark.parametrize(
    "body",
    [
        {"action": "budget"},
        {"action": "pause", "budget": {}},
        {"action": "budget", "budget": {"cost_usd": 5}},
        {"action": "budget", "budget": {"cost_usd": "1e9"}},
        {"action": "budget", "budget": {"tokens": -1}},
        {"action": "budget", "budget": {"seconds": True}},
        {"action": "budget", "budget": {"dollars": "1"}},
        {"action": "budget", "budget": {"action": "shrug"}},
    ],
)
def test_a_wrong_budget_is_refused(unix: Ask, new_run: NewRun, body: dict[str, Any]) -> None:
    run = new_run()
    refused = unix("PATCH", f"/api/v1/runs/{run}", body=body)
    assert (refused.status, refused.code) == (422, "invalid_input")
    assert unix("GET", f"/api/v1/runs/{run}").json["budget"] is None
