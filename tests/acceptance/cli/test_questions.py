"""An agent asks, a person answers; the agent cannot answer itself."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from codencer.testing import scripted_acp_agent

AGENT = [sys.executable, "-I", "-S", scripted_acp_agent.__file__]


def test_a_person_answers_what_an_agent_asks(place: Any, tmp_path: Path) -> None:
    folder = Path(place.env["HOME"]) / ".config" / "codencer"
    folder.mkdir(parents=True, exist_ok=True)
    place.env["CODENCER_SANDBOX"] = "none"  # in a sandbox the agent could not even ask to answer itself
    table = ["[adapters.mine]", f"command = {json.dumps(AGENT)}", 'protocol = "acp"', 'approvals = "ask"']
    (folder / "config.toml").write_text("\n".join(table))
    go, came_out = tmp_path / "go", tmp_path / "came_out"
    for pipe in (go, came_out):
        os.mkfifo(pipe)
    kept = " ".join(f"{name}={place.env[name]}" for name in ("PYTHONPATH", "HOME", "XDG_RUNTIME_DIR"))
    answer = f"env {kept} {' '.join(place.command('step', 'answer', 'latest', 'allow'))}"
    inside = f"leave read x < {go}; cd {place.top}; {answer}; echo $? > {came_out}"
    goal = f"simulate: {inside}\nsimulate: write new.txt hello\nsimulate: say done"
    doing = place.open("do", goal, "--adapter", "mine")
    assert doing.stderr is not None
    told = next(line for line in iter(doing.stderr.readline, "") if "to answer:" in line)
    question = told.split("--question ")[1].strip()
    go.write_text("go\n")
    assert came_out.read_text() == "1\n", "no process of an attempt answers"
    listed = place.run("step", "questions", "latest").out
    assert question in listed
    assert "allow (Allow), always (Allow for this session), reject (Reject)" in listed
    answered = place.json("step", "answer", "latest", "allow", "--question", question[-8:])
    assert answered["state"] == "running"
    out, err = doing.communicate(timeout=50)
    assert doing.returncode == 0, (out, err)
    [found] = place.json("step", "questions", "latest", "--all")
    assert (found["id"], found["state"], found["option"]) == (question, "answered", "allow")
    assert (found["by"], found["actor"]) == ("person", f"uid:{os.getuid()}")
