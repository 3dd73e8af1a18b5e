"""The adapter for Gemini CLI (`gemini`): prompt on stdin, one JSON object a line on stdout.

Its last line, `result`, is the verdict; stopped by a signal it exits with code 0 and has none. It
retries a model that fails for minutes; only the time limit of the step ends that. A conversation is
bound to its folder, so it never resumes.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from codencer.adapters import telling
from codencer.adapters.objects import Object, ObjectReader, count_at, look, text_at
from codencer.adapters.programs import Program, built_in, chooses, examine, executable, home
from codencer.adapters.tally import LONGEST_SUMMARY, Tally, kind_of_status
from codencer.adapters.variables import FOLDERS, PROXIES, signed_in
from codencer.model.attempt import AgentEvent, AgentOutcome, ErrorKind
from codencer.model.launch import ExitRecord, Launch
from codencer.model.ports import Assignment, Parser, Probe
from codencer.model.step import AdapterSettings

PROGRAM = Program(
    name="gemini",
    packages=("@google/gemini-cli",),
    oldest="0.61.0",
    newest="0.61.0",
    install="npm install -g @google/gemini-cli",
)
_VARIABLES = (
    *("GEMINI_*", "GOOGLE_API_KEY", "GOOGLE_GEMINI_*", "GOOGLE_GENAI_*"),
    *("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"),
)
SETTINGS = ("${GEMINI_CLI_HOME:-~}/.gemini/",)
_SIGN_IN = "run `gemini` once and sign in, or set GEMINI_API_KEY"
_EDITING = ("write_file", "replace", "edit")
_CODE = re.compile(r'"code":\s*(\d{3})\b|\bstatus:? (\d{3})\b')
_UNREADABLE = ("Incomplete JSON", "not valid JSON", "Unexpected token", "stream ended", "empty response")


def make(name: str, settings: AdapterSettings | None, checkout: Path | None) -> "Gemini":
    return Gemini(built_in(name, settings), checkout)


class Gemini:
    resumes = False

    def __init__(self, settings: AdapterSettings, checkout: Path | None) -> None:
        self.settings = settings
        self._checkout = checkout

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        """Look for it. Its settings may say that a cloud's own sign-in is used."""
        folder = home(environ) / ".gemini"
        files = (folder / "oauth_creds.json", folder / "settings.json", folder / ".env")
        known = signed_in(self.settings, environ, _VARIABLES, files)
        return examine(PROGRAM, self.settings, environ, self._checkout, signed_in=known, sign_in=_SIGN_IN)

    def launch(self, assignment: Assignment) -> Launch:
        settings = self.settings
        model = ("--model", settings.model) if settings.model else ()
        mode = () if chooses(settings, "--approval-mode", "--yolo", "-y") else ("--approval-mode", "yolo")
        return Launch(
            argv=(
                *(executable(PROGRAM, settings), "--output-format", "stream-json"),
                *(*mode, *model, *settings.arguments),
            ),
            env_names=settings.env,
            env_optional=(*FOLDERS, *PROXIES, *_VARIABLES),
            # A folder that nobody has called trusted is only read otherwise.
            env={"GEMINI_CLI_TRUST_WORKSPACE": "true", "GEMINI_TELEMETRY_ENABLED": "false"},
            stdin=assignment.prompt.encode("utf-8", "replace"),
            writes=SETTINGS,
        )

    def parser(self) -> Parser:
        return GeminiParser(self.settings)


class GeminiParser:
    def __init__(self, settings: AdapterSettings) -> None:
        self._objects = ObjectReader()
        self._tally = Tally(settings, model=settings.model or None)
        self._edits: dict[str, str] = {}
        self._saying = self._last_error = ""

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        return [event for said in self._objects.feed(data) for event in self._events(said)]

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        for _ in self._events(self._objects.flush()):
            pass
        return self._tally.conclude(exit, fragment)

    def _events(self, said: Object) -> Iterator[AgentEvent]:
        kind = said.get("type")
        if kind == "message" and said.get("role") == "assistant":
            # Its messages come in pieces, which only something else ends.
            self._saying = (self._saying + text_at(said, "content"))[: telling.LONGEST_TEXT]
            return
        if self._saying and kind is not None:
            self._tally.summary = self._saying[-LONGEST_SUMMARY:]
            yield telling.message(self._saying)
            self._saying = ""
        match kind:
            case "init":
                self._tally.name(session_id=text_at(said, "session_id"), model=text_at(said, "model"))
            case "tool_use":
                yield from self._tool_call(said)
            case "tool_result":
                yield from self._tool_result(said)
            case "error":
                self._last_error = text_at(said, "message")
                yield telling.failure(_kind(self._last_error), self._last_error, final=False)
            case "result":
                yield from self._result(said)

    def _tool_call(self, said: Object) -> Iterator[AgentEvent]:
        call, name = text_at(said, "tool_id"), text_at(said, "tool_name")
        if name in _EDITING:
            self._edits[call] = text_at(said, "parameters", "file_path")
        yield telling.tool_call(call, name, look(said, "parameters"))

    def _tool_result(self, said: Object) -> Iterator[AgentEvent]:
        call, failed = text_at(said, "tool_id"), text_at(said, "status") != "success"
        output = text_at(said, "output") or text_at(said, "error", "message")
        yield telling.tool_result(call, output, failed=failed)
        if (path := self._edits.pop(call, "")) and not failed:
            yield telling.file_edit(path)

    def _result(self, said: Object) -> Iterator[AgentEvent]:
        sent, written = count_at(said, "stats", "input_tokens"), count_at(said, "stats", "output_tokens")
        self._tally.spend(sent, written)
        self._tally.name(model=_most_used(look(said, "stats", "models")))
        yield telling.usage(sent, written)
        if text_at(said, "status") == "success":
            self._tally.succeed()
            return
        text = text_at(said, "error", "message") or self._last_error or "it did not say why"
        self._tally.fail(_kind(text), text)
        yield telling.failure(_kind(text), text, final=True)


def _kind(text: str) -> ErrorKind:
    if (found := _CODE.search(text)) is not None:
        return kind_of_status(int(found[1] or found[2]))
    return ErrorKind.MALFORMED if any(each in text for each in _UNREADABLE) else ErrorKind.CRASH


def _most_used(models: object) -> str:
    """Of the models that took part the one that wrote most; it chooses them by itself."""
    used = list(models)[:20] if isinstance(models, dict) else []
    return max(used, key=lambda name: count_at(models, name, "output_tokens") or 0, default="")
