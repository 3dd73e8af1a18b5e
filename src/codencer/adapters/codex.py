"""The adapter for Codex (`codex exec --json`): prompt on stdin, one JSON object a line on stdout.

`turn.completed` or `turn.failed` is its verdict. It runs without its own sandbox: where that cannot
be set up, commands fail inside of it and the exit code is 0 all the same; `arguments` can choose it.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from codencer.adapters import telling
from codencer.adapters.objects import Object, ObjectReader, count_at, look, text_at
from codencer.adapters.programs import Program, built_in, chooses, examine, executable, home
from codencer.adapters.tally import Tally, kind_of_status
from codencer.adapters.variables import FOLDERS, PROXIES, signed_in
from codencer.model.attempt import AgentEvent, AgentEventKind, AgentOutcome, ErrorKind
from codencer.model.launch import ExitRecord, Launch
from codencer.model.ports import Assignment, Parser, Probe
from codencer.model.step import AdapterSettings

PROGRAM = Program(
    name="codex",
    packages=("@openai/codex",),
    oldest="0.169.0",
    newest="0.169.0",
    install="npm install -g @openai/codex",
)
_VARIABLES = ("OPENAI_*", "CODEX_*")
SETTINGS = ("${CODEX_HOME:-~/.codex}/",)
_SIGN_IN = "run `codex login`, or set CODEX_API_KEY or OPENAI_API_KEY"
_UNSANDBOXED = "--dangerously-bypass-approvals-and-sandbox"
_CHOOSES_SANDBOX = ("-s", "--sandbox", "--full-auto", _UNSANDBOXED, "-c", "--config", "-p", "--profile")
_STATUS = re.compile(r"\bstatus:? (\d{3})\b")
_WORDS: Mapping[str, ErrorKind] = {
    "usage limit": ErrorKind.QUOTA,
    "quota": ErrorKind.QUOTA,
    "rate limit": ErrorKind.QUOTA,
    "high demand": ErrorKind.OVERLOAD,
    "overloaded": ErrorKind.OVERLOAD,
    "at capacity": ErrorKind.OVERLOAD,
    "context window": ErrorKind.LIMIT,
    "stream disconnected": ErrorKind.MALFORMED,
    "not logged in": ErrorKind.AUTH,
}
_MOST_CHANGES = 100
"""Files of a single edit, and steps of a single plan."""


def make(name: str, settings: AdapterSettings | None, checkout: Path | None) -> "Codex":
    return Codex(built_in(name, settings), checkout)


class Codex:
    resumes = True

    def __init__(self, settings: AdapterSettings, checkout: Path | None) -> None:
        self.settings = settings
        self._checkout = checkout

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        """Look for it. Its settings may name a provider, and the variable with that one's key."""
        folder = Path(environ.get("CODEX_HOME") or home(environ) / ".codex")
        files = (folder / "auth.json", folder / "config.toml")
        known = signed_in(self.settings, environ, ("OPENAI_API_KEY", "CODEX_API_KEY"), files)
        return examine(PROGRAM, self.settings, environ, self._checkout, signed_in=known, sign_in=_SIGN_IN)

    def launch(self, assignment: Assignment) -> Launch:
        settings = self.settings
        resume = ("resume",) if assignment.session_id else ()
        folder = () if assignment.session_id else ("-C", os.fspath(assignment.workspace))
        chosen = chooses(settings, *_CHOOSES_SANDBOX)
        model = ("--model", settings.model) if settings.model else ()
        return Launch(
            argv=(
                *(executable(PROGRAM, settings), "exec", *resume, "--json", "--skip-git-repo-check", *folder),
                *("-c", "check_for_update_on_startup=false", "-c", "analytics.enabled=false"),
                *(() if chosen else (_UNSANDBOXED,)),
                *(*model, *settings.arguments),
                *((assignment.session_id,) if assignment.session_id else ()),
                "-",
            ),
            env_names=settings.env,
            env_optional=(*FOLDERS, *PROXIES, *_VARIABLES),
            stdin=assignment.prompt.encode("utf-8", "replace"),
            writes=SETTINGS,
        )

    def parser(self) -> Parser:
        return CodexParser(self.settings)


class CodexParser:
    def __init__(self, settings: AdapterSettings) -> None:
        self._objects = ObjectReader()
        self._tally = Tally(settings, model=settings.model or None)

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        return [event for said in self._objects.feed(data) for event in self._events(said)]

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        for _ in self._events(self._objects.flush()):
            pass
        return self._tally.conclude(exit, fragment)

    def _events(self, said: Object) -> Iterator[AgentEvent]:
        match said.get("type"):
            case "thread.started":
                self._tally.name(session_id=text_at(said, "thread_id"))
            case "turn.started":
                self._tally.go_on()
            case "item.started":
                yield from self._begun(look(said, "item"))
            case "item.completed":
                yield from self._done(look(said, "item"))
            case "error":
                text = text_at(said, "message")
                yield telling.failure(_kind(text), text, final=False)
            case "turn.failed":
                text = text_at(said, "error", "message") or "it did not say why"
                self._tally.fail(_kind(text), text)
                yield telling.failure(_kind(text), text, final=True)
            case "turn.completed":
                sent, written = (count_at(said, "usage", f"{each}_tokens") for each in ("input", "output"))
                self._tally.spend(sent, written)
                self._tally.succeed()
                yield telling.usage(sent, written)

    def _begun(self, item: object) -> Iterator[AgentEvent]:
        call = text_at(item, "id")
        match text_at(item, "type"):
            case "command_execution":
                yield telling.tool_call(call, "shell", {"command": text_at(item, "command")})
            case "mcp_tool_call":
                yield telling.tool_call(call, text_at(item, "tool"), look(item, "arguments"))
            case "web_search":
                yield telling.tool_call(call, "web_search", {"query": text_at(item, "query")})

    def _done(self, item: object) -> Iterator[AgentEvent]:
        failed = text_at(item, "status") not in ("completed", "")
        match text_at(item, "type"):
            case "agent_message":
                self._tally.summary = text_at(item, "text") or self._tally.summary
                yield telling.message(text_at(item, "text"))
            case "reasoning":
                yield telling.thought(text_at(item, "text"))
            case "command_execution":
                output = text_at(item, "aggregated_output")
                yield telling.tool_result(text_at(item, "id"), output, failed=failed)
            case "mcp_tool_call" | "web_search":
                yield telling.tool_result(
                    text_at(item, "id"), text_at(item, "error", "message"), failed=failed
                )
            case "file_change":
                yield from (
                    telling.file_edit(text_at(each, "path"))
                    for each in _listed(item, "changes")
                    if not failed
                )
            case "todo_list":
                yield _plan(item)
            case "error":
                # A remark of its own, such as that it does not know a model; the turn goes on.
                self._tally.warn(text_at(item, "message"))


def _listed(item: object, key: str) -> list[object]:
    found = look(item, key)
    return found[:_MOST_CHANGES] if isinstance(found, list) else []


def _plan(item: object) -> AgentEvent:
    entries: list[object] = [
        {
            "content": telling.shown(text_at(each, "text")),
            "status": "completed" if look(each, "completed") is True else "pending",
        }
        for each in _listed(item, "items")
    ]
    text = "\n".join(telling.shown(text_at(each, "text")) for each in _listed(item, "items"))
    return AgentEvent(kind=AgentEventKind.PLAN, text=text, data={"entries": entries})


def _kind(text: str) -> ErrorKind:
    if (found := _STATUS.search(text)) is not None:
        return kind_of_status(int(found[1]))
    lower = text.lower()
    return next((kind for words, kind in _WORDS.items() if words in lower), ErrorKind.CRASH)
