"""The adapter for mini-swe-agent (`mini`): text for a person on stdout, the truth in its trajectory.

Its exit code means nothing: it has succeeded when the trajectory says `Submitted`. It reads no prompt from
stdin or a file, so one that no argument can hold is replaced by the instruction to read it from
the file. What it prints is broken into lines of 80 characters.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from codencer.adapters import telling
from codencer.adapters.command import MAX_ARGUMENT_BYTES
from codencer.adapters.lines import LineReader
from codencer.adapters.litellm import kind_of
from codencer.adapters.objects import Object, count_at, look, microusd_at, text_at
from codencer.adapters.programs import Program, built_in, examine, executable, home
from codencer.adapters.tally import Tally
from codencer.adapters.variables import CONFIG_FOLDER, FOLDERS, MODELS, PROXIES, signed_in
from codencer.model.attempt import AgentEvent, AgentOutcome, ErrorKind
from codencer.model.launch import ExitRecord, Launch
from codencer.model.ports import Assignment, Parser, Probe
from codencer.model.step import AdapterSettings

PROGRAM = Program(
    name="mini",
    packages=("mini-swe-agent",),
    oldest="2.4.6",
    newest="2.4.6",
    install="pipx install mini-swe-agent",
)
_SIGN_IN = "run `mini-extra config setup`, or set the API key of a model's provider (such as OPENAI_API_KEY)"
_TASK = "--task="
_TRIES = "5"
"""Of one request; its own 10 take more than four minutes to find that a provider is down."""
_ENDINGS: Mapping[str, tuple[ErrorKind, str]] = {
    "RepeatedFormatError": (ErrorKind.MALFORMED, "its model answered in a wrong form too often"),
    "LimitsExceeded": (ErrorKind.LIMIT, "it reached its own limit of steps or cost"),
    "TimeExceeded": (ErrorKind.LIMIT, "it reached its own limit of time"),
}
_STEP = re.compile(r"mini-swe-agent \(step (\d+), \$[\d.]+\):")
_ROLES = ("System:", "User:", "Tool:", "Exit:")
_MOST_LINES = 400
"""Of what one command prints, as many as a transcript keeps."""


def make(name: str, settings: AdapterSettings | None, checkout: Path | None) -> "MiniSweAgent":
    return MiniSweAgent(built_in(name, settings), checkout)


class MiniSweAgent:
    resumes = False

    def __init__(self, settings: AdapterSettings, checkout: Path | None) -> None:
        self.settings = settings
        self._checkout = checkout

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        config = Path(environ.get("XDG_CONFIG_HOME") or home(environ) / ".config") / "mini-swe-agent"
        files = (Path(environ.get("MSWEA_GLOBAL_CONFIG_DIR") or config) / ".env",)
        known = signed_in(self.settings, environ, (*MODELS, "MSWEA_*"), files)
        return examine(PROGRAM, self.settings, environ, self._checkout, signed_in=known, sign_in=_SIGN_IN)

    def launch(self, assignment: Assignment) -> Launch:
        settings = self.settings
        model = ("--model", settings.model) if settings.model else ()
        output = ("--output", os.fspath(assignment.report_file))
        return Launch(
            argv=(
                executable(PROGRAM, settings),
                *("--yolo", "--exit-immediately"),
                *output,
                *model,
                *settings.arguments,
                _TASK + _task(assignment),
            ),
            env_names=settings.env,
            env_optional=(*FOLDERS, *PROXIES, *MODELS, "MSWEA_*"),
            env={
                "MSWEA_CONFIGURED": "true",
                "MSWEA_COST_TRACKING": "ignore_errors",
                "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": _TRIES,
                "MSWEA_SILENT_STARTUP": "1",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            },
            writes=(f"${{MSWEA_GLOBAL_CONFIG_DIR:-{CONFIG_FOLDER}/mini-swe-agent}}/",),
        )

    def parser(self) -> Parser:
        return MiniParser(self.settings)


def _task(assignment: Assignment) -> str:
    encoded = assignment.prompt.encode("utf-8", "replace")
    if len(_TASK) + len(encoded) <= MAX_ARGUMENT_BYTES and b"\0" not in encoded:
        return encoded.decode()
    return (
        f"Your task is written in the file {os.fspath(assignment.prompt_file)} ({len(encoded)} bytes). "
        "Read that file completely first, in parts of at most 8000 characters, because longer output is "
        "cut in the middle. Then do what it says. Do not change that file."
    )


class MiniParser:
    def __init__(self, settings: AdapterSettings) -> None:
        self._reader = LineReader()
        self._tally = Tally(settings, model=settings.model or None)
        self._role, self._step = "", ""
        self._block: list[str] | None = None

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        return [event for line in self._reader.feed(data) for event in self._events(line)]

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        if report is not None:
            self._read(report.decode("utf-8", "replace"))
        return self._tally.conclude(exit, fragment)

    def _events(self, line: str) -> Iterator[AgentEvent]:
        step = _STEP.fullmatch(line)
        if step or line in _ROLES or not line.strip("─"):
            if self._role == "Tool:" and self._block is not None:
                yield self._tool_result(self._block)
            self._role = "Assistant:" if step else line.strip("─")
            self._step = step[1] if step else self._step
            self._block = [] if self._role == "Tool:" else None
        elif self._role == "Assistant:" and line == "```":
            if self._block is None:
                self._block = []
            else:
                yield telling.tool_call(self._step, "bash", {"command": "\n".join(self._block)})
                self._block = None
        elif self._block is not None:
            if len(self._block) < _MOST_LINES:
                self._block.append(line)
        elif self._role in ("Assistant:", "Exit:"):
            yield telling.message(line)

    def _tool_result(self, lines: list[str]) -> AgentEvent:
        """It shows `<returncode>`, the code in a line of its own, `<output>` and then that."""
        failed = lines[:2] != ["<returncode>", "0"]
        return telling.tool_result(self._step, "\n".join(lines[3:]), failed=failed)

    def _read(self, text: str) -> None:
        info, messages = _trajectory(text)
        last = ""
        for each in messages:
            used = look(each, "extra", "response", "usage")
            self._tally.spend(count_at(used, "prompt_tokens"), count_at(used, "completion_tokens"))
            last = text_at(each, "content")
        self._tally.name(model=text_at(info, "config", "model", "model_name"))
        self._tally.cost_microusd = microusd_at(info, "model_stats", "instance_cost") or None
        self._tally.summary = text_at(info, "submission").strip()
        status = text_at(info, "exit_status")
        if status == "Submitted":
            self._tally.succeed()
        elif status:
            self._tally.fail(*_ENDINGS.get(status, (kind_of(status, last), last or status)))


def _trajectory(text: str) -> tuple[Object, Iterator[Object]]:
    """Its facts, which stand first, and its messages one by one, as far as they go: a long one may be cut."""
    start = re.compile(r'\s*\{\s*"info"\s*:\s*').match(text)
    info, end = _value(text, start.end()) if start else ({}, len(text))
    messages = re.compile(r'\s*,\s*"messages"\s*:\s*\[\s*').match(text, end)
    return info, _values(text, messages.end()) if messages else iter(())


def _values(text: str, at: int) -> Iterator[Object]:
    more: re.Match[str] | None
    separator = re.compile(r"\s*,\s*")
    while True:
        value, at = _value(text, at)
        if value:
            yield value
        more = separator.match(text, at)
        if more is None:
            return
        at = more.end()


def _value(text: str, at: int) -> tuple[Object, int]:
    """The object at a place and where it ends; nothing, and the end of the text, where none is."""
    try:
        value, end = json.JSONDecoder().raw_decode(text, at)
    except (ValueError, RecursionError):
        return {}, len(text)
    return (value if isinstance(value, dict) else {}), end
