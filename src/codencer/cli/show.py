"""How runs, steps and results look to a person; with `--json` they are printed as they came."""

from collections.abc import Iterator
from typing import Any

from codencer.cli.exits import exit_code_for
from codencer.cli.face import Face, short
from codencer.client.daemon import Daemon, path

STEP_HEAD = ("STEP", "NAME", "STATE", "TRIES", "ADAPTER", "TITLE")
RUN_HEAD = ("RUN", "STATE", "STEPS", "UNSETTLED", "PROJECT", "STARTED")
TITLE_WIDTH = 60


def step_row(step: dict[str, Any]) -> tuple[object, ...]:
    title = step["title"].replace("\n", " ")[:TITLE_WIDTH]
    return (short(step["id"]), step["name"], step["state"], step["attempts"], step["adapter"], title)


def run_row(run: dict[str, Any]) -> tuple[object, ...]:
    return (
        *(run["id"], run["state"], run["steps_total"], run["steps_unsettled"]),
        *(run["project_id"], run["created_at"]),
    )


def run_fields(run: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield "run", run["id"]
    yield "state", run["state"]
    yield "because", run["reason"]
    yield "steps", f"{run['steps_total']}, {run['steps_unsettled']} unsettled"
    for name in ("project_id", "conversation", "planner", "executor"):
        yield name.removesuffix("_id"), run[name]
    yield "budget", _budget(run["budget"])
    yield "used up", _spent(run["spent"])
    yield "started", run["created_at"]


def _budget(budget: dict[str, Any] | None) -> str | None:
    limits = _amounts(budget) if budget is not None else []
    return f"{', '.join(limits)}; then {budget['action']}" if budget is not None and limits else None


def _spent(spent: dict[str, Any] | None) -> str | None:
    if spent is None:
        return None
    unknown = [f"{spent['unknown']} attempts did not say"] if spent["unknown"] else []
    return ", ".join([*_amounts(spent), *unknown])


def _amounts(given: dict[str, Any]) -> list[str]:
    words = {"cost_usd": "{} USD", "tokens": "{} tokens", "seconds": "{} s of agents at work"}
    return [text.format(given[name]) for name, text in words.items() if given[name] is not None]


def step_fields(step: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield "step", f"{step['id']} ({step['run_id']}/{step['name']})"
    yield "title", step["title"]
    yield "state", step["state"]
    yield "waiting", step.get("waiting")
    if live := step.get("live"):
        yield from _live_fields(live)
    yield "adapter", step["adapter"] + (" (simulation)" if step["is_simulation"] else "")
    yield "priority", step["priority"] or None
    yield "attempts", step["attempts"]
    yield "summary", step["summary"]
    yield "updated", step["updated_at"]


def _live_fields(live: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """What is known of an attempt under way; what is unknown is left out."""
    yield "stage", live["stage"] + (f" ({live['launch']})" if live["launch"] else "")
    if live["last_output_ms"] is not None:
        yield "output", f"{_ago(live['last_output_ms'])} ago: {live['last_output'] or ''}"
    if live["processes"] is not None:
        yield "processes", live["processes"]
        yield "cpu", f"{live['cpu_ms'] / 1000:.1f} s"
        yield "memory", f"{live['memory_bytes'] / 2**20:.0f} MiB"
    if live["files_changed"] is not None:
        yield "changed", f"{live['files_changed']} files so far"


def _ago(milliseconds: int) -> str:
    seconds = milliseconds // 1000
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def result_fields(result: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield "step", f"{result['step_id']} ({result['run_id']}/{result['step_name']})"
    yield "state", result["state"]
    yield "summary", result["summary"]
    yield "attempt", f"{result['attempt_number']} by {result['adapter'] or 'nobody yet'}"
    said = result["agent"]["summary"]
    yield "agent said", said if said != result["summary"] else None
    yield "snapshot", result["snapshot_commit"]
    yield "files", _changes(result["files_changed"])
    for validation in result["validations"]:
        yield "validation", f"{validation['name']}: {validation['state']}"
    if policy := result["policy"]:
        yield "policy", f"{policy['name']} says {policy['decision']}"
        for reason in policy["reasons"]:
            yield "because", reason
    if result["gate_id"]:
        yield "gate", f"{result['gate_id']}, about the tree {result['snapshot_tree']}"
    for warning in result["warnings"]:
        yield "warning", warning
    for question in result["questions"]:
        yield "question", question


def _changes(files: list[dict[str, Any]]) -> str:
    additions = sum(each["additions"] or 0 for each in files)
    deletions = sum(each["deletions"] or 0 for each in files)
    return f"{len(files)} changed, +{additions} -{deletions}" if files else "none changed"


def verdict(face: Face, daemon: Daemon, step: dict[str, Any]) -> int:
    """Print how a settled step ended, what to do next (stderr), and return the exit code."""
    result = daemon.get(path("steps", step["id"], "result"))
    face.show(result, result_fields(result))
    face.hint(next_command(step["id"], step["state"]))
    return exit_code_for(step["state"])


def next_command(step_id: str, state: str) -> str:
    """The command a person most likely wants after this state."""
    match state:
        case "completed" | "completed_with_warnings":
            return f"to see it: codencer step diff {step_id}; to take it: codencer land {step_id}"
        case "failed_validation":
            return f"what failed: codencer step validations {step_id}; again: codencer step retry {step_id}"
        case "needs_approval":
            return f"what is asked: codencer gate list; to see it: codencer step diff {step_id}"
        case "needs_manual_attention":
            return f"a person is needed: codencer step result {step_id}"
        case "cancelled":
            return f"its work is kept: codencer step diff {step_id}; again: codencer step retry {step_id}"
        case _:
            return f"what it said: codencer step logs {step_id}; again: codencer step retry {step_id}"
