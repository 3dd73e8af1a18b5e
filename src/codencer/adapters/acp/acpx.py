"""The adapter for acpx, a client of its own for agents that speak ACP: one prompt, unasked.

Which agent it drives, its `arguments` say: the name of one that it knows (`["claude"]`) or a command
(`["--agent", "my-agent acp"]`). With `--format json` it prints what it and the agent say to each
other, both sides in one stream, so the same reader serves as for a conversation of ours.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from codencer.adapters import claude, codex, copilot, gemini, opencode, qwen
from codencer.adapters.acp.requests import permission
from codencer.adapters.acp.script import Script
from codencer.adapters.acp.steps import LONGEST_SESSION, Refused
from codencer.adapters.acp.turn import Turn
from codencer.adapters.acp.wire import Json, MessageReader, Noise, mapping
from codencer.adapters.objects import text_at
from codencer.adapters.programs import Program, built_in, examine, executable
from codencer.adapters.variables import FOLDERS, MODELS, PROXIES
from codencer.errors import InvalidInput
from codencer.model.attempt import AgentEvent, AgentOutcome
from codencer.model.launch import ExitRecord, Launch
from codencer.model.ports import Assignment, Parser, Probe
from codencer.model.step import AdapterSettings, Approvals

PROGRAM = Program(
    name="acpx",
    packages=("acpx",),
    oldest="0.19.1",
    newest="0.19.1",
    install="npm install -g acpx@0.19.1",
)
_VARIABLES = (
    "ACPX_*",
    "CLAUDE_*",
    "CODEX_*",
    "COPILOT_*",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "OPENCODE_*",
    "QWEN_*",
)
"""Of the agents that it drives."""
_SETTINGS = tuple(
    chain(("~/.acpx/",), *(each.SETTINGS for each in (claude, codex, copilot, gemini, opencode, qwen)))
)
_OPENING = ("session/new", "session/load")


def make(name: str, settings: AdapterSettings | None, checkout: Path | None) -> "Acpx":
    settings = built_in(name, settings, asks=True)
    if settings.approvals is not Approvals.ALLOW:
        # It refuses what it is asked, but makes no agent ask: some begin in a mode in which they do not.
        raise InvalidInput(
            f"[adapters.{name}]: approvals = {settings.approvals.value!r} cannot be kept through acpx; use "
            "the agent's own adapter (acp-claude and its like), which sets the mode in which it asks"
        )
    return Acpx(settings, checkout)


class Acpx:
    resumes = False

    def __init__(self, settings: AdapterSettings, checkout: Path | None) -> None:
        self.settings = settings
        self._checkout = checkout

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        return examine(PROGRAM, self.settings, environ, self._checkout)

    def launch(self, assignment: Assignment) -> Launch:
        settings = self.settings
        model = ("--model", settings.model) if settings.model else ()
        return Launch(
            argv=(
                executable(PROGRAM, settings),
                *("--approve-all", "--format", "json", "--json-strict"),
                *("--cwd", os.fspath(assignment.workspace)),
                *model,
                *settings.arguments,
                *("exec", "--file", "-"),
            ),
            env_names=settings.env,
            env_optional=(*FOLDERS, *PROXIES, *MODELS, *_VARIABLES, "IS_SANDBOX"),
            stdin=assignment.prompt.encode("utf-8", "replace"),
            writes=_SETTINGS,
            copies=claude.COPIED,
        )

    def parser(self) -> Parser:
        return AcpxParser(self.settings)


class AcpxParser:
    """Reads both sides of a conversation. Each numbers its requests itself, so an answer is told by what
    it is an answer to: the prompt's is the one that belongs to no request of the agent's."""

    def __init__(self, settings: AdapterSettings) -> None:
        self._reader = MessageReader()
        self._turn = Turn(settings, Script(name=settings.name))
        self._asked: dict[str, str] = {}
        self._serving: set[str] = set()

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        return [event for message in self._reader.feed(data) for event in self._hear(message)]

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        return self._turn.conclude(exit, fragment)

    def _hear(self, message: Json | Noise) -> Iterator[AgentEvent]:
        if isinstance(message, Noise):
            yield from self._turn.noise(message.text)
            return
        method, number = text_at(message, "method"), repr(message.get("id"))
        params = mapping(message.get("params"))
        match method:
            case "":
                yield from self._answered(number, message)
            case "session/update":
                yield from self._turn.take(mapping(params.get("update")))
            case "session/request_permission":
                self._serving.add(number)
                wanted = permission(params, number, self._turn.updates.tools, "")
                yield from self._turn.asked(wanted, mapping(params.get("toolCall")))
            case "initialize" | "authenticate" | "session/new" | "session/load" | "session/prompt":
                self._asked = {number: method}
                if method == "session/prompt":
                    self._turn.began()
            case _ if "id" in message:
                self._serving.add(number)

    def _answered(self, number: str, message: Json) -> Iterator[AgentEvent]:
        result = mapping(message.get("result"))
        if number in self._serving and "stopReason" not in result:
            self._serving.discard(number)
            return
        method = self._asked.pop(number, "")
        if not method or self._turn.over:
            return
        if method in _OPENING and "error" not in message:
            self._turn.opened(text_at(result, "sessionId")[:LONGEST_SESSION] or "unnamed", result)
            return
        if "error" in message:
            refusal = Refused(method, mapping(message["error"]))
            self._turn.fail(refusal.kind, refusal.said)
        elif method == "session/prompt":
            self._turn.ended(result)
        else:
            return
        yield from self._turn.last_events()
