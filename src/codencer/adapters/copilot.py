"""The adapter for GitHub Copilot CLI: prompt on stdin, one JSON object a line.

Its last line, `result`, is its verdict; tokens stand only in the file it is asked to write. A
conversation can go on in another workspace, and works there only because the folder is given
with `-C`: without it, it returns to the folder in which it began.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from codencer.adapters import telling
from codencer.adapters.objects import Object, ObjectReader, count_at, look, parsed, text_at
from codencer.adapters.programs import Program, built_in, examine, executable, home
from codencer.adapters.tally import Tally, kind_of_status
from codencer.adapters.variables import CONFIG_FOLDER, FOLDERS, PROXIES, named
from codencer.model.attempt import AgentEvent, AgentOutcome, ErrorKind
from codencer.model.launch import ExitRecord, Launch
from codencer.model.ports import Assignment, Parser, Probe
from codencer.model.step import AdapterSettings

PROGRAM = Program(
    name="copilot",
    packages=("@github/copilot",),
    oldest="1.0.102",
    newest="1.0.102",
    install="npm install -g @github/copilot",
)
_TOKENS = ("COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN")
_OWN_MODEL = ("COPILOT_PROVIDER_BASE_URL",)
SETTINGS = ("${COPILOT_HOME:-~/.copilot}/",)
_SIGN_IN = (
    "start `copilot` and use /login, run `gh auth login`, or set COPILOT_GITHUB_TOKEN "
    "(or COPILOT_PROVIDER_BASE_URL and a key for a model of your own)"
)
_ERRORS: Mapping[str, ErrorKind] = {
    "authentication": ErrorKind.AUTH,
    "quota": ErrorKind.QUOTA,
    "rate_limit": ErrorKind.QUOTA,
}
_NO_ANSWER = "Failed to finalize"
"""How it begins to say that what the model answered was nothing it could read."""
_MOST_EDITS = 100
"""Of a single tool call."""


def make(name: str, settings: AdapterSettings | None, checkout: Path | None) -> "Copilot":
    return Copilot(built_in(name, settings), checkout)


class Copilot:
    resumes = True

    def __init__(self, settings: AdapterSettings, checkout: Path | None) -> None:
        self.settings = settings
        self._checkout = checkout

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        """Look for it. Its own folder may point to a keyring, which only it can ask."""
        known = True if named((*_TOKENS, *_OWN_MODEL), environ) else None
        config = Path(environ.get("XDG_CONFIG_HOME") or home(environ) / ".config")
        places = (
            Path(environ.get("COPILOT_HOME") or home(environ) / ".copilot"),
            Path(environ.get("GH_CONFIG_DIR") or config / "gh", "hosts.yml"),
        )
        if known is None and not self.settings.env and not any(place.exists() for place in places):
            known = False
        return examine(PROGRAM, self.settings, environ, self._checkout, signed_in=known, sign_in=_SIGN_IN)

    def launch(self, assignment: Assignment) -> Launch:
        """Started without a prompt it takes its stdin for one, whatever it begins with and however long."""
        settings = self.settings
        options = [
            *("--output-format", "json", "--allow-all", "--no-ask-user", "--no-color"),
            *("--no-auto-update", "--disable-client-telemetry", "--no-remote-export"),
            *("-C", os.fspath(assignment.workspace)),
            *("--usage-output-file", os.fspath(assignment.report_file)),
        ]
        if settings.model:
            options += ["--model", settings.model]
        if assignment.session_id:
            options.append(f"--resume={assignment.session_id}")
        return Launch(
            argv=(executable(PROGRAM, settings), *options, *settings.arguments),
            env_names=settings.env,
            env_optional=(
                *FOLDERS,
                *PROXIES,
                *_TOKENS,
                *("COPILOT_*", "GH_HOST", "GH_CONFIG_DIR", "DBUS_SESSION_BUS_ADDRESS"),
            ),
            env={"COPILOT_AUTO_UPDATE": "false"},
            stdin=assignment.prompt.encode("utf-8", "replace"),
            reads=(f"${{GH_CONFIG_DIR:-{CONFIG_FOLDER}/gh}}",),
            writes=SETTINGS,
        )

    def parser(self) -> Parser:
        return CopilotParser(self.settings)


class CopilotParser:
    def __init__(self, settings: AdapterSettings) -> None:
        self._objects = ObjectReader()
        self._tally = Tally(settings, model=settings.model or None)
        self._aborted = self._did_something = False
        self._denied = ""

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        return [event for said in self._objects.feed(data) for event in self._events(said)]

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        for _ in self._events(self._objects.flush()):
            pass
        used = look(parsed((report or b"").decode("utf-8", "replace").strip()), "modelMetrics")
        for each in used.values() if isinstance(used, dict) else ():
            self._tally.spend(count_at(each, "usage", "inputTokens"), count_at(each, "usage", "outputTokens"))
        return self._tally.conclude(exit, fragment)

    def _events(self, said: Object) -> Iterator[AgentEvent]:
        data = look(said, "data")
        match said.get("type"):
            case "assistant.message":
                yield from self._message(data)
            case "assistant.reasoning":
                yield telling.thought(text_at(data, "content"))
            case "tool.execution_start":
                call, name = text_at(data, "toolCallId"), text_at(data, "toolName")
                yield telling.tool_call(call, name, look(data, "arguments"))
            case "tool.execution_complete":
                yield from self._tool_result(data)
            case "model.call_failure":
                yield self._retried(count_at(data, "statusCode"))
            case "session.error":
                yield self._error(data)
            case "abort":
                self._aborted = True
            case "result":
                self._end(said)

    def _message(self, data: object) -> Iterator[AgentEvent]:
        self._tally.name(model=text_at(data, "model"))
        self._tally.trouble = ""
        text = text_at(data, "content")
        if text.strip():
            self._tally.summary = text
            yield telling.message(text)

    def _tool_result(self, data: object) -> Iterator[AgentEvent]:
        failed = look(data, "success") is not True
        text = text_at(data, "error", "message") if failed else text_at(data, "result", "content")
        yield telling.tool_result(text_at(data, "toolCallId"), text, failed=failed)
        self._did_something |= not failed
        if text_at(data, "error", "code") == "denied":
            self._denied = text
            self._tally.warn(f"it was not allowed something: {text}")
        edits = look(data, "fileEdits")
        for each in edits[:_MOST_EDITS] if isinstance(edits, list) else ():
            yield telling.file_edit(text_at(each, "path"))

    def _error(self, data: object) -> AgentEvent:
        text = text_at(data, "message") or "it did not say why"
        kind = _ERRORS.get(text_at(data, "errorType")) or kind_of_status(count_at(data, "statusCode"))
        if _NO_ANSWER in text:
            kind = ErrorKind.MALFORMED
        self._tally.fail(kind, text)
        return telling.failure(kind, text, final=True)

    def _retried(self, status: int | None) -> AgentEvent:
        """A call of the model that failed; only `session.error` says that it gave up."""
        kind = ErrorKind.OVERLOAD if status is None else kind_of_status(status)
        text = f"a call of the model failed ({'on the way' if status is None else f'HTTP {status}'})"
        self._tally.trouble = text
        return telling.failure(kind, text, final=False)

    def _end(self, said: Object) -> None:
        self._tally.name(session_id=text_at(said, "sessionId"))
        code = count_at(said, "exitCode")
        if code != 0:
            if self._tally.error is None:
                self._tally.fail(ErrorKind.CRASH, f"its last line has the exit code {code}")
        elif self._denied and not self._did_something:
            self._tally.fail(ErrorKind.PERMISSION_DENIED, f"everything it tried was denied: {self._denied}")
        elif not self._aborted:
            # Told to end, it says 0 as well.
            self._tally.succeed()
