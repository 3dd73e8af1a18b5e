"""A stand-in for a real agent that speaks ACP: says what the real one said, edits by the script.

`fake_acp_agent.py NAME FOLDER ARGUMENT…` is what a fake executable runs. FOLDER has conversations that
were really had (`tests/unit/adapters/acp/samples`). Each request is answered as it was answered then; what
follows the prompt depends on the script in it, on whether the agent asks, and on the answer. Of acpx,
which holds the conversation itself, the whole of it is printed. Standard library only.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.conformance.fake_agent import script_in, work

ASKING_MODES = ("default", "read-only")
PLACE = "/workspace"
"""Where the conversations took place."""

Entry = tuple[str, Any]
"""The key of what the agent was told, or `<` for what it said; and the message."""


class Agent:
    def __init__(self, name: str, folder: Path, arguments: list[str]) -> None:
        self.name, self.folder = name.removeprefix("acp-"), folder
        self.cwd = os.getcwd()
        # Two have no mode to ask in: one asks unless an option says otherwise, one if a variable does.
        self.asks = "OPENCODE_PERMISSION" in os.environ or (
            self.name == "copilot" and "--allow-all" not in arguments
        )

    def sample(self, scenario: str) -> list[Entry]:
        lines = (self.folder / f"{self.name}-{scenario}.jsonl").read_text("utf-8").splitlines()
        return [tuple(json.loads(line)) for line in lines]

    def serve(self) -> None:
        while (request := hear()) is not None:
            method = request["method"]
            if method == "session/set_mode":
                self.asks = request["params"]["modeId"] in ASKING_MODES
            if method == "session/prompt":
                self.prompt(request)
            else:
                sample = self.sample("allow" if self.asks else "edit")
                self.say(following(sample, method), request)

    def prompt(self, request: dict[str, Any]) -> None:
        script, given = script_in("\n".join(each["text"] for each in request["params"]["prompt"]))
        if script == "sleep":
            work(script, given)
        scenario = "e401" if script == "e401" else "allow" if self.asks else "edit"
        rest = following(self.sample(scenario), "session/prompt")
        if self.say(rest, request, script, given) and scenario == "allow":
            refusal = following(self.sample("deny"), "session/prompt")
            for who, _ in refusal:
                if who != "<":
                    break
            self.say(refusal, request)

    def say(
        self,
        entries: Iterator[Entry],
        request: dict[str, Any],
        script: str = "",
        given: dict[str, str] | None = None,
    ) -> bool:
        """Say all up to the answer to the request; whether it ended because something was refused."""
        for who, message in entries:
            if who != "<":
                answer = hear()
                if answer is None:
                    sys.exit(0)
                if "outcome" in message.get("result", {}) and answer["result"] != message["result"]:
                    return True
            elif "method" in message:
                self.print(message)
            else:
                if given is not None:
                    work(script, given)
                self.print(message | {"id": request["id"]})
                return False
        return False

    def print(self, message: dict[str, Any]) -> None:
        print_line(json.dumps(message).replace(PLACE, self.cwd))


def hear() -> dict[str, Any] | None:
    line = sys.stdin.readline()
    message: dict[str, Any] | None = json.loads(line) if line else None
    return message


def print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def following(sample: list[Entry], method: str) -> Iterator[Entry]:
    """What came after this request of ours."""
    entries = iter(sample)
    for who, message in entries:
        if who != "<" and message.get("method") == method:
            break
    return entries


def overheard(folder: Path) -> int:
    """Do as acpx does, with a conversation that it had."""
    script, given = script_in(sys.stdin.read())
    run = "e401" if script == "e401" else "edit"
    for line in (folder / f"acpx-{run}.jsonl").read_text("utf-8").splitlines():
        message = json.loads(line)
        if message.get("method") == "session/prompt":
            work(script, given)
        print_line(line.replace(PLACE, os.getcwd()))
    return 1 if run == "e401" else 0


def main() -> int:
    name, folder, *arguments = sys.argv[1:]
    if name == "openclaw-acpx":
        return overheard(Path(folder))
    Agent(name, Path(folder), arguments).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
