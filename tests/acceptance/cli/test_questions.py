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
    folder.mkdir(parents=True)
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
    for line in iter(doing.stderr.readline, ""):
        if "to answer: codencer step answer" in line:
            break
    go.write_text("go\n")
    assert came_out.read_text() == "1\n", "no process of an attempt answers"
    [asked] = place.json("step", "questions", "latest")
    assert (asked["state"], asked["text"], asked["tool"]) == ("open", "Write new.txt", "edit")
    listed = place.run("step", "questions", "latest")
    assert "allow (Allow), always (Allow for this session), reject (Reject)" in listed.out
    assert place.json("step", "state", "latest")["waiting"] == "waits for an answer: Write new.txt"
    assert place.json("step", "answer", "latest", "perhaps", code=1)["error"] == "invalid_input"
    assert place.run("step", "answer", "latest", "allow", "--question", asked["id"][-8:]).code == 0
    out, err = doing.communicate(timeout=50)
    assert doing.returncode == 0, (out, err)
    [answered] = place.json("step", "questions", "latest", "--all")
    assert (answered["id"], answered["by"], answered["actor"]) == (
        asked["id"],
        "person",
        f"uid:{os.getuid()}",
    )
    assert "Allow (by person)" in place.run("step", "questions", "latest", "--all").out
    assert "session/request_permission" in place.run("step", "logs", "latest").out
