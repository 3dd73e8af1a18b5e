"""What an agent that talks to the daemon may do: submit and read; never trust, abort, land or spend more."""

import sys
from typing import Any


def test_an_agent_may_submit_and_read_and_no_more(place: Any) -> None:
    place.json("run", "start", "outer")
    place.json("run", "start", "inner")
    python = f"env PYTHONPATH={place.env['PYTHONPATH']} HOME={place.env['HOME']} XDG_RUNTIME_DIR="
    python += f"{place.env['XDG_RUNTIME_DIR']} {sys.executable} -P -m codencer.cli.main"
    hidden = python.replace("env ", "env -i ", 1)
    lines = [
        f"simulate: run cd {place.top} && {python} run list >/dev/null && echo read=$?",
        f"simulate: run cd {place.top} && {python} submit inner --goal x --adapter simulation; echo sub=$?",
        f"simulate: run cd {place.top} && {python} run abort inner; echo abort=$?",
        f"simulate: run cd {place.top} && {hidden} run abort inner; echo hidden=$?",
        f"simulate: run cd {place.top} && {python} trust; echo trust=$?",
        f"simulate: run cd {place.top} && {python} land latest; echo land=$?",
        f"simulate: run cd {place.top} && {python} run budget inner --tokens none; echo budget=$?",
        f"simulate: run cd {place.top} && {python} run resume inner; echo resume=$?",
    ]
    words = ("--goal", "\n".join(lines), "--adapter", "simulation", "--wait")
    step = place.json("submit", "outer", *words)["step_id"]
    said = place.run("step", "logs", step).out.split()
    answers = dict(each.split("=") for each in said if "=" in each and each.split("=")[1].isdigit())
    refused = ("abort", "hidden", "trust", "land", "budget", "resume")
    assert answers == {"read": "0", "sub": "0", **dict.fromkeys(refused, "1")}
    assert place.json("run", "state", "inner")["state"] != "cancelled"
