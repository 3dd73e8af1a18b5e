"""A stand-in for a real agent: takes its prompt as that one does, edits by the script, prints a capture.

`fake_agent.py NAME CAPTURES ARGUMENT…` is what a fake executable runs. What it prints are captures of real
runs (`tests/captures`), so an adapter reads what it would really read. It asks no model: the script is
in the prompt. Standard library only.
"""

import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

TOKEN = re.compile(r"scripted-model:([a-z0-9-]+)((?:;[a-z]+=[A-Za-z0-9_.~%-]*)*)")
IN_A_FILE = re.compile(r"in the file (/\S+)")
REPORTS = {"aider": "--analytics-log", "copilot": "--usage-output-file", "mini-swe-agent": "--output"}
"""The option that names the file for its report."""
EXITS = {
    "gemini/e401": 145,
    **dict.fromkeys(("claude/e401", "codex/e401", "qwen/e401", "opencode/e401", "copilot/e401"), 1),
    **dict.fromkeys(("mini-swe-agent/e401", "claude/malformed", "codex/malformed", "copilot/malformed"), 1),
    **dict.fromkeys(("gemini/malformed", "qwen/malformed", "mini-swe-agent/malformed"), 1),
}
"""Exit codes that are not 0."""
DENIED = {
    "claude": ("default", "default_permission"),
    "codex": ("read-only", "failing_command"),
    "copilot": ("--deny-tool=write", "denied"),
    "gemini": ("default", "default_permission"),
    "qwen": ("default", "default_permission"),
}
"""A word of the command line that denies it to write, and what it then prints."""


def prompt_of(name: str, arguments: Sequence[str]) -> str:
    """The prompt, from the one place where this agent looks for it."""
    if name == "aider":
        return Path(arguments[arguments.index("--message-file") + 1]).read_text(encoding="utf-8")
    if name == "mini-swe-agent":
        [task] = (each.removeprefix("--task=") for each in arguments if each.startswith("--task="))
        found = IN_A_FILE.search(task)
        return Path(found[1]).read_text(encoding="utf-8") if found else task
    return sys.stdin.read()


def replay(name: str, captures: Path, run: str, arguments: Sequence[str], lines: int = -1) -> None:
    """Print what the agent printed in a run, and leave the report it left."""
    folder, line_file = captures / name / run, captures / name / f"{run}.jsonl"
    text = (line_file if line_file.is_file() else folder / "stdout").read_bytes()
    sys.stdout.buffer.write(b"\n".join(text.split(b"\n")[:lines]) + b"\n")
    sys.stdout.buffer.flush()
    report = folder / "report"
    if lines < 0 and report.is_file():
        place = Path(arguments[arguments.index(REPORTS[name]) + 1])
        place.write_bytes(report.read_bytes())


def work(script: str, given: dict[str, str]) -> None:
    """Do what the script says: by a child in a session of its own, as most agents start their tools."""
    if script == "sleep":
        address = os.environ["SCRIPTED_MODEL"]
        program = f"""
import time, urllib.request
urllib.request.urlopen("{address}/tool/{given["id"]}", timeout=30).read()
time.sleep(600)
"""
        subprocess.run([sys.executable, "-c", program], start_new_session=True, check=False)
    elif script == "hang":
        with urllib.request.urlopen(
            f"{os.environ['SCRIPTED_MODEL']}/tool/{given['id']}", timeout=30
        ) as answer:
            answer.read()
        sys.stdin.close()
        os.execvp("sleep", ["sleep", "600"])
    elif script in ("edit", "escalate"):
        file, content = given.get("file", "hello.txt"), given.get("content", "hello")
        command = f"printf '%s\\n' {shlex.quote(content)} > {shlex.quote(file)}"
        subprocess.run(["sh", "-c", command], start_new_session=True, check=True)


def script_in(prompt: str) -> tuple[str, dict[str, str]]:
    """The last script of a prompt: its name and what it gives."""
    found = TOKEN.findall(prompt)
    script, pairs = found[-1] if found else ("text", "")
    split = (each.partition("=") for each in pairs.split(";") if each)
    return script, {key: unquote(value) for key, _, value in split}


def main() -> int:
    name, captures, *arguments = sys.argv[1:]
    script, given = script_in(prompt_of(name, arguments))
    run = script if script in ("e401", "malformed") else "edit"
    if name in DENIED and DENIED[name][0] in arguments:
        run, script = DENIED[name][1], "text"
    if script in ("sleep", "hang"):
        replay(name, Path(captures), run, arguments, lines=1)
    work(script, given)
    replay(name, Path(captures), run, arguments)
    return EXITS.get(f"{name}/{run}", 0)


if __name__ == "__main__":
    sys.exit(main())
