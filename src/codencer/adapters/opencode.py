"""The adapter for opencode (`opencode run`): prompt on stdin, one JSON object a line.

It has no last word of its own: it is done when its last step finished with the reason `stop`, no
error came after that, and it ended with code 0. It goes on retrying for minutes when a model fails, and
for ever when one answers nonsense: only the time limit of the step ends that. A session cannot
be taken up from another folder (it hangs), so it never resumes.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from codencer.adapters import telling
from codencer.adapters.objects import Object, ObjectReader, count_at, look, microusd_at, text_at
from codencer.adapters.programs import Program, built_in, examine, executable, home
from codencer.adapters.tally import Tally, kind_of_status
from codencer.adapters.variables import (
    CACHE_FOLDER,
    CONFIG_FOLDER,
    DATA_FOLDER,
    FOLDERS,
    MODELS,
    PROXIES,
    STATE_FOLDER,
    signed_in,
)
from codencer.model.attempt import AgentEvent, AgentOutcome, ErrorKind
from codencer.model.launch import ExitRecord, Launch
from codencer.model.ports import Assignment, Parser, Probe
from codencer.model.step import AdapterSettings

PROGRAM = Program(
    name="opencode",
    packages=("opencode-ai", "opencode"),
    oldest="1.18.33",
    newest="1.18.33",
    install="npm install -g opencode-ai",
)
SETTINGS = tuple(f"{folder}/opencode/" for folder in (CONFIG_FOLDER, DATA_FOLDER, STATE_FOLDER, CACHE_FOLDER))
_KEYS = ("OPENCODE_API_KEY", *MODELS)
_EDITING = ("write", "edit", "patch", "apply_patch", "multiedit")
_REASONS: Mapping[str, tuple[ErrorKind, str]] = {
    "length": (ErrorKind.LIMIT, "the model's answer was cut at its longest"),
    "content-filter": (ErrorKind.REFUSED, "the model's provider withheld its answer"),
    "tool-calls": (ErrorKind.CRASH, "it ended in the middle of its work, after a tool call"),
}
_ERRORS: Mapping[str, ErrorKind] = {
    "ProviderAuthError": ErrorKind.AUTH,
    "ContextOverflowError": ErrorKind.LIMIT,
    "MessageOutputLengthError": ErrorKind.LIMIT,
    "StructuredOutputError": ErrorKind.MALFORMED,
}


def make(name: str, settings: AdapterSettings | None, checkout: Path | None) -> "Opencode":
    return Opencode(built_in(name, settings), checkout)


class Opencode:
    resumes = False

    def __init__(self, settings: AdapterSettings, checkout: Path | None) -> None:
        self.settings = settings
        self._checkout = checkout

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        """Look for it. Without any sign-in it still has models that cost nothing, so that refuses nothing."""
        data = Path(environ.get("XDG_DATA_HOME") or home(environ) / ".local" / "share")
        known = signed_in(self.settings, environ, _KEYS, ()) or (data / "opencode" / "auth.json").is_file()
        return examine(PROGRAM, self.settings, environ, self._checkout, signed_in=known or None)

    def launch(self, assignment: Assignment) -> Launch:
        """Started without a message it takes its stdin for one, whatever it begins with and however long."""
        settings = self.settings
        model = ("--model", settings.model) if settings.model else ()
        program = executable(PROGRAM, settings)
        return Launch(
            argv=(program, "run", "--format", "json", "--auto", *model, *settings.arguments),
            env_names=settings.env,
            env_optional=(*FOLDERS, *PROXIES, *MODELS, "OPENCODE_*"),
            env={
                "OPENCODE_DISABLE_AUTOUPDATE": "1",
                "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
                "OPENCODE_DISABLE_SHARE": "1",
            },
            stdin=assignment.prompt.encode("utf-8", "replace"),
            writes=SETTINGS,
        )

    def parser(self) -> Parser:
        return OpencodeParser(self.settings)


class OpencodeParser:
    def __init__(self, settings: AdapterSettings) -> None:
        self._objects = ObjectReader()
        self._tally = Tally(settings, model=settings.model or None)
        self._denied = ""

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        return [event for said in self._objects.feed(data) for event in self._events(said)]

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        for _ in self._events(self._objects.flush()):
            pass
        return self._tally.conclude(exit, fragment)

    def _events(self, said: Object) -> Iterator[AgentEvent]:
        self._tally.name(session_id=text_at(said, "sessionID"))
        part = look(said, "part")
        match said.get("type"):
            case "step_start":
                self._denied = ""
                self._tally.go_on()
            case "text":
                self._tally.summary = text_at(part, "text") or self._tally.summary
                yield telling.message(text_at(part, "text"))
            case "reasoning":
                yield telling.thought(text_at(part, "text"))
            case "tool_use":
                yield from self._tool(part)
            case "step_finish":
                yield self._step(part)
            case "error":
                yield self._error(said)

    def _tool(self, part: object) -> Iterator[AgentEvent]:
        """One that is over; a call under way is not told."""
        call, name, state = text_at(part, "callID"), text_at(part, "tool"), look(part, "state")
        failed = text_at(state, "status") != "completed"
        output = text_at(state, "error") if failed else text_at(state, "output")
        yield telling.tool_call(call, name, look(state, "input"))
        yield telling.tool_result(call, output, failed=failed)
        if failed and "rejected permission" in output:
            self._denied = f"it was not allowed to use {name}: {output}"
        path = text_at(state, "input", "filePath")
        if name in _EDITING and path and not failed:
            yield telling.file_edit(path)

    def _step(self, part: object) -> AgentEvent:
        cached = [count_at(part, "tokens", "cache", each) or 0 for each in ("read", "write")]
        sent, written = count_at(part, "tokens", "input"), count_at(part, "tokens", "output")
        if sent is not None:
            sent += sum(cached)
        if written is not None:
            written += count_at(part, "tokens", "reasoning") or 0
        cost = microusd_at(part, "cost")
        self._tally.spend(sent, written, cost)
        reason = text_at(part, "reason")
        if reason == "stop":
            self._tally.succeed()
        elif reason == "tool-calls" and self._denied:
            self._tally.fail(ErrorKind.PERMISSION_DENIED, self._denied)
        else:
            unknown = (ErrorKind.MALFORMED, f"its last step finished with the reason {reason!r}")
            self._tally.fail(*_REASONS.get(reason, unknown))
            if reason == "tool-calls":
                # No trouble while it goes on: every step but the last ends so.
                self._tally.trouble = ""
        return telling.usage(sent, written, cost)

    def _error(self, said: Object) -> AgentEvent:
        name, status = text_at(said, "error", "name"), count_at(said, "error", "data", "statusCode")
        kind = _ERRORS.get(name) or kind_of_status(status)
        text = text_at(said, "error", "data", "message") or name or "it did not say why"
        shown = text if status is None else f"{text} (HTTP {status})"
        self._tally.fail(kind, shown)
        return telling.failure(kind, shown, final=True)
