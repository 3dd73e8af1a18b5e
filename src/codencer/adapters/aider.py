"""The adapter for aider: prompt on stdin, plain text out, facts in a log of its own.

It exits with 0 whatever happened. It is done when its model's last answer was counted (`Tokens: …`) and
no error came after that, as its event log must confirm. It takes a message that begins with `/` or
`!` for a command to run, so the prompt goes in behind an empty line. It is told not to commit: a
commit costs another call of a model, and the snapshot has the changes anyway.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from codencer.adapters import telling
from codencer.adapters.lines import LineReader
from codencer.adapters.litellm import kind_of
from codencer.adapters.objects import count_at, microusd_at, parsed, text_at
from codencer.adapters.programs import Program, built_in, examine, executable, home
from codencer.adapters.tally import Tally
from codencer.adapters.variables import FOLDERS, MODELS, PROXIES, signed_in
from codencer.model.attempt import AgentEvent, AgentOutcome, ErrorKind
from codencer.model.launch import ExitRecord, Launch
from codencer.model.ports import Assignment, Parser, Probe
from codencer.model.step import AdapterSettings

PROGRAM = Program(
    name="aider",
    packages=("aider-chat",),
    oldest="0.86.2",
    newest="0.86.2",
    install="pipx install aider-chat",
)
_READS = ("~/.aider.conf.yml", "~/.aider.model.settings.yml", "~/.aider.model.metadata.json", "~/.env")
_SIGN_IN = "set the API key of a model's provider (such as OPENAI_API_KEY), or write it to ~/.aider.conf.yml"
_HEADLESS = (
    *("--yes-always", "--no-stream", "--no-pretty", "--no-fancy-input", "--no-suggest-shell-commands"),
    *("--no-auto-commits", "--no-dirty-commits", "--no-gitignore", "--no-detect-urls"),
    *("--no-analytics", "--no-check-update", "--no-show-release-notes", "--no-show-model-warnings"),
)
LITTER = ("/.aider.tags.cache.v*/",)
"""Its map of the repository; nothing moves it, and without it aider knows less."""

_ANSWERED = re.compile(
    r"Tokens: (?P<sent>[\d.]+)(?P<sent_unit>[kM]?) sent(?:, [\d.]+[kM]? cache \w+){0,2}, "
    r"(?P<received>[\d.]+)(?P<received_unit>[kM]?) received\."
)
_FAILED = re.compile(r"litellm\.(?P<name>\w+): ")
_NOT_RETRIED = ("AuthenticationError", "BadRequestError", "NotFoundError", "ContextWindowExceededError")
_TOO_LONG = re.compile(r"Model \S+ has hit a token limit!")
_APPLIED = re.compile(r"Applied edit to (?P<path>.+)")
_GAVE_UP = re.compile(r"Only \d+ reflections allowed, stopping\.")
_UNITS = {"": 1, "k": 1000, "M": 1_000_000}
_LINES_OF_SUMMARY = 10


def make(name: str, settings: AdapterSettings | None, checkout: Path | None) -> "Aider":
    return Aider(built_in(name, settings), checkout)


class Aider:
    resumes = False

    def __init__(self, settings: AdapterSettings, checkout: Path | None) -> None:
        self.settings = settings
        self._checkout = checkout

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        own, here = home(environ), self._checkout or Path("/nonexistent")
        files = (
            own / ".aider.conf.yml",
            own / ".env",
            own / ".aider" / "oauth-keys.env",
            here / ".aider.conf.yml",
            here / ".env",
        )
        known = signed_in(self.settings, environ, (*MODELS, "AIDER_*"), files)
        return examine(PROGRAM, self.settings, environ, self._checkout, signed_in=known, sign_in=_SIGN_IN)

    def launch(self, assignment: Assignment) -> Launch:
        settings, own = self.settings, assignment.report_file.parent
        model = ("--model", settings.model) if settings.model else ()
        return Launch(
            argv=(
                executable(PROGRAM, settings),
                *_HEADLESS,
                *("--analytics-log", os.fspath(assignment.report_file)),
                *("--input-history-file", os.fspath(own / "aider.input.history")),
                *("--chat-history-file", os.fspath(own / "aider.chat.history.md")),
                *model,
                *settings.arguments,
                *("--message-file", "/dev/stdin"),
            ),
            env_names=settings.env,
            env_optional=(*FOLDERS, *PROXIES, *MODELS, "AIDER_*"),
            # It breaks what it prints at the width of the terminal, even without one.
            env={"COLUMNS": "1000"},
            stdin=b"\n" + assignment.prompt.encode("utf-8", "replace"),
            litter=LITTER,
            reads=_READS,
            writes=("~/.aider/",),
        )

    def parser(self) -> Parser:
        return AiderParser(self.settings)


class AiderParser:
    def __init__(self, settings: AdapterSettings) -> None:
        self._reader = LineReader()
        self._tally = Tally(settings, model=settings.model or None)
        self._answer: list[str] = []

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        return [self._event(line) for line in self._reader.feed(data)]

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        last = self._reader.flush()
        if last:
            self._event(last)
        if report is not None:
            self._read(report)
        return self._tally.conclude(exit, fragment)

    def _event(self, line: str) -> AgentEvent:
        if found := _ANSWERED.match(line):
            return self._answered(found)
        if found := _FAILED.match(line):
            kind = kind_of(found["name"], line)
            self._tally.fail(kind, line)
            return telling.failure(kind, line, final=found["name"] in _NOT_RETRIED)
        if _TOO_LONG.match(line):
            self._tally.fail(ErrorKind.LIMIT, line)
            return telling.failure(ErrorKind.LIMIT, line, final=True)
        if found := _APPLIED.fullmatch(line):
            return telling.file_edit(found["path"])
        if _GAVE_UP.fullmatch(line):
            self._tally.warn(
                "aider stopped after too many corrections of itself: not all may be as it meant it"
            )
        elif line.startswith("Repo-map:"):
            self._answer = []
        elif len(self._answer) < _LINES_OF_SUMMARY:
            self._answer.append(line)
        return telling.message(line)

    def _answered(self, found: re.Match[str]) -> AgentEvent:
        sent = _count(found["sent"], found["sent_unit"])
        received = _count(found["received"], found["received_unit"])
        self._tally.spend(sent, received)
        self._tally.succeed()
        self._tally.summary = "\n".join(_prose(self._answer)) or self._tally.summary
        self._answer = []
        return telling.usage(sent, received)

    def _read(self, report: bytes) -> None:
        """Its event log: exact numbers, and whether its last request was answered."""
        counted, answered, problem = Tally(self._tally.settings), False, ""
        for entry in _entries(report):
            name, about = text_at(entry, "event"), entry.get("properties")
            if name == "message_send":
                counted.spend(count_at(about, "prompt_tokens"), count_at(about, "completion_tokens"))
                counted.cost_microusd = microusd_at(about, "total_cost") or None
                answered = True
            elif name == "message_send_starting":
                answered, problem = False, "its last request was not answered"
            elif name == "message_send_exception":
                answered, problem = False, text_at(about, "exception")
        if counted.input_tokens is not None:
            self._tally.input_tokens = counted.input_tokens
            self._tally.output_tokens = counted.output_tokens
        self._tally.cost_microusd = counted.cost_microusd
        if self._tally.done and not answered:
            self._tally.fail(ErrorKind.CRASH, problem or "it never asked its model")


def _entries(report: bytes) -> Iterator[dict[str, object]]:
    return filter(None, (parsed(line) for line in report.decode("utf-8", "replace").split("\n")))


def _prose(lines: list[str]) -> list[str]:
    """An answer up to its first block of code."""
    fence = next((at for at, line in enumerate(lines) if line.startswith(("```", "<<<<<<<"))), len(lines))
    # The line before a block is the name of the file that is to be changed.
    return lines[: fence - 1 if 1 < fence < len(lines) else fence]


def _count(digits: str, unit: str) -> int | None:
    """It rounds large numbers: `1.2k`."""
    try:
        return round(float(digits) * _UNITS[unit])
    except (ValueError, OverflowError):
        return None
