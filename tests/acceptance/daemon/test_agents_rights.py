"""What an agent that talks to the daemon may do: submit and read, and nothing that a person decides."""

import json
import sys
from typing import Any


def test_an_agent_may_submit_and_read_and_no_more(place: Any) -> None:
    place.env["CODENCER_SANDBOX"] = "none"  # in a sandbox it sees no socket at all
    place.json("run", "start", "outer")
    place.json("run", "start", "inner")
    python = f"env PYTHONPATH={place.env['PYTHONPATH']} HOME={place.env['HOME']} XDG_RUNTIME_DIR="
    python += f"{place.env['XDG_RUNTIME_DIR']} {sys.executable} -P -m codencer.cli.main"
    hidden = python.replace("env ", "env -i ", 1)
    task = {"goal": "simulate: write a.txt x", "allowed_paths": ["docs/"], "is_simulation": True}
    gated = place.run("submit", "inner", "--task-json", "-", "--wait", "--json", stdin=json.dumps(task)).json
    gate, tree, step = gated["gate_id"], gated["snapshot_tree"], gated["step_id"]
    bad = place.top.parent / "policy.yaml"
    bad.write_text("version: v1\nname: lax\ncontinue_when: {}\n")
    allowed = {
        "read": "run list",
        "gates": "gate list inner",
        "submit": "submit inner --goal x --adapter simulation",
        "try": f"policy try {bad} {step}",
    }
    refused = {
        "abort": "run abort inner",
        "trust": "trust",
        "land": f"land {step} --force",
        "approve": f"gate approve {gate} --tree {tree}",
        "reject": f"gate reject {gate} --note no",
        "retry": f"step retry {step}",
        "cancel": f"step cancel {step}",
        "budget": "run budget inner --tokens none",
        "pause": "run pause inner",
        "resume": "run resume inner",
        "finish": "run finish inner",
        "gc": "gc --older-than 0",
    }
    lines = [f"simulate: run cd {place.top} && {hidden} run abort inner; echo hidden=$?"]
    for name, command in (allowed | refused).items():
        lines.append(f"simulate: run cd {place.top} && {python} {command} >/dev/null; echo {name}=$?")
    words = ("--goal", "\n".join(lines), "--adapter", "simulation", "--wait")
    outer = place.json("submit", "outer", *words)["step_id"]
    said = place.run("step", "logs", outer).out.split()
    answers = dict(each.split("=") for each in said if "=" in each and each.split("=")[1].isdigit())
    assert answers == {**dict.fromkeys(allowed, "0"), **dict.fromkeys([*refused, "hidden"], "1")}
    told = place.run("step", "logs", outer, "--stderr").out
    assert told.count("an agent may not") == len(refused) + 1, told
    assert place.json("run", "state", "inner")["state"] == "paused_for_gate"
    assert place.json("gate", "show", gate)["state"] == "open"
    assert place.json("step", "state", step)["revision"] == 0
