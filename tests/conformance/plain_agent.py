"""A coding agent of the smallest kind: it asks a model over the Chat API and does what it is told.

Usage: plain_agent.py ADDRESS, with the prompt on stdin. Two tools, no retries, no opinion. It is what
docs/conformance.md proves as an example; standard library only.
"""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "write_file",
            "parameters": {"type": "object", "properties": {"path": {}, "content": {}}},
        },
    },
    {
        "type": "function",
        "function": {
            "name": "bash",
            "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
        },
    },
]


def ask(address: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    body = json.dumps({"model": "scripted", "messages": messages, "tools": TOOLS}).encode()
    request = urllib.request.Request(f"{address}/v1/chat/completions", data=body)
    with urllib.request.urlopen(request) as response:
        message: dict[str, Any] = json.load(response)["choices"][0]["message"]
    return message


def do(name: str, text: str) -> str:
    try:
        given = json.loads(text)
    except ValueError:
        return "error: the arguments are no JSON"
    if name == "write_file":
        Path(given["path"]).write_text(given["content"], encoding="utf-8")
        return f"wrote {given['path']}"
    if name == "bash":
        command = ["bash", "-c", given["command"]]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        return f"{done.stdout}{done.stderr}exit code {done.returncode}"
    return f"error: there is no tool {name}"


def main(address: str) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": f"You are a coding agent. Working directory: {Path.cwd()}"},
        {"role": "user", "content": sys.stdin.read()},
    ]
    while calls := (answer := ask(address, messages)).get("tool_calls"):
        messages.append(answer)
        for call in calls:
            result = do(call["function"]["name"], call["function"]["arguments"])
            sys.stdout.write(f"{call['function']['name']}: {result}\n")
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    sys.stdout.write(f"{answer['content']}\n")


if __name__ == "__main__":
    main(sys.argv[1])
