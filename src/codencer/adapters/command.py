"""The adapter for a command of the user's own, made from an `[adapters.NAME]` table.

How the prompt reaches it: `stdin` (default), `argv` (the text is the last argument) or
`file` (the path of a file with it is). Nothing is added around it: a program that reads
options needs a command that ends in `--`. How its end is read: a success exit code has
succeeded, unless its result fragment asks for a person's decision, which is declining; any
other code or signal is a crash. What it prints is shown, and never believed.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from codencer.adapters.fragment import Fragment, read_fragment
from codencer.adapters.lines import LineReader, shortened
from codencer.errors import InvalidInput
from codencer.model.attempt import AgentEvent, AgentEventKind, AgentOutcome, Ending, ErrorKind
from codencer.model.launch import ExitReason, ExitRecord, Launch
from codencer.model.ports import Assignment, Parser, Probe
from codencer.model.step import AdapterSettings, Approvals, PromptChannel

MAX_ARGUMENT_BYTES = 128 * 1024 - 1
"""Linux refuses one argument of 128 KiB or more, its closing zero byte counted (execve(2))."""
MAX_SUMMARY_CHARACTERS = 500

Conclusion = tuple[Ending, ErrorKind, str]


def make(name: str, settings: AdapterSettings | None, checkout: Path | None) -> "CommandAdapter":
    """Return the adapter for `settings`, which must have a command."""
    if settings is None or not settings.command or not settings.command[0]:
        raise InvalidInput(f"[adapters.{name}] has no command: give the program and its arguments as a list")
    if settings.approvals is not Approvals.ALLOW:
        raise InvalidInput(
            f"[adapters.{name}]: a plain command works unasked, so approvals = {settings.approvals.value!r} "
            'would change nothing; that needs an agent with protocol = "acp"'
        )
    return CommandAdapter(settings, checkout)


class CommandAdapter:
    """Starts any program; see the module for how prompt and ending are treated."""

    def __init__(self, settings: AdapterSettings, checkout: Path | None = None) -> None:
        self._settings = settings
        self._checkout = checkout

    @property
    def settings(self) -> AdapterSettings:
        return self._settings

    @property
    def resumes(self) -> bool:
        return False

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        """Look for the program on PATH or, given with a slash, in the checkout.

        Without a checkout to look in, a relative program is taken to be there: it runs in
        the workspace, and a missing one fails the attempt with a message that says so.
        """
        program = self._settings.command[0]
        where = "on PATH"
        if "/" not in program:
            found = shutil.which(program, path=environ.get("PATH")) is not None
        elif os.path.isabs(program) or self._checkout is not None:
            path = (self._checkout or Path("/")) / program
            found = path.is_file() and os.access(path, os.X_OK)
            where = f"as an executable file at {path}"
        else:
            found = True
        if found:
            return Probe(installed=True)
        return Probe(
            installed=False,
            problem=f"adapter {self._settings.name!r}: {program!r} was not found {where}; install it, "
            f"or correct `command` in [adapters.{self._settings.name}]. A relative path is looked "
            "for in the workspace, so the file must be committed and executable",
        )

    def launch(self, assignment: Assignment) -> Launch:
        """Raises InvalidInput for a prompt that cannot be passed as an argument."""
        settings = self._settings
        argv, stdin = settings.command, b""
        if settings.prompt is PromptChannel.STDIN:
            stdin = assignment.prompt.encode("utf-8", "replace")
        elif settings.prompt is PromptChannel.FILE:
            argv = (*argv, os.fspath(assignment.prompt_file))
        else:
            argv = (*argv, self._argument(assignment.prompt))
        return Launch(
            argv=argv,
            env_names=settings.env,
            stdin=stdin,
            success_exit_codes=settings.success_exit_codes,
        )

    def parser(self) -> Parser:
        return CommandParser(self._settings)

    def _argument(self, prompt: str) -> str:
        problem = ""
        if len(prompt.encode("utf-8", "replace")) > MAX_ARGUMENT_BYTES:
            problem = f"is longer than the {MAX_ARGUMENT_BYTES} bytes that one argument may have"
        elif "\0" in prompt:
            problem = "contains a zero byte, which no argument can"
        elif prompt.startswith("-") and self._settings.command[-1] != "--":
            problem = "starts with '-' and could be taken for an option (or end the command with \"--\")"
        if problem:
            raise InvalidInput(
                f"the prompt {problem}; nothing was started. "
                f'Set prompt = "stdin" or "file" in [adapters.{self._settings.name}]'
            )
        return prompt


class CommandParser:
    """One message per line of output; what the last one says is the summary by default."""

    def __init__(self, settings: AdapterSettings) -> None:
        self._settings = settings
        self._reader = LineReader()
        self._last = ""

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        """Return a message for each line that `data` ends; a final newline ends the last one."""
        lines = self._reader.feed(data)
        if lines:
            self._last = lines[-1]
        return [AgentEvent(kind=AgentEventKind.MESSAGE, text=line) for line in lines]

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        self._last = self._reader.flush() or self._last
        said = read_fragment(fragment)
        ending, kind, error = conclude(self._settings, exit, said)
        return AgentOutcome(
            ending=ending,
            summary=said.summary or shortened(self._last.strip(), MAX_SUMMARY_CHARACTERS),
            error_kind=kind,
            error=error,
            questions=said.questions,
            warnings=said.warnings,
            needs_human_decision=said.needs_human_decision,
        )


_NOT_BY_ITSELF: Mapping[ExitReason, Conclusion] = {
    ExitReason.TIMEOUT: (Ending.TIMED_OUT, ErrorKind.LIMIT, "was stopped at its time limit, after {}"),
    ExitReason.IDLE_TIMEOUT: (
        Ending.TIMED_OUT,
        ErrorKind.LIMIT,
        "was stopped because it printed nothing for too long, after {}",
    ),
    ExitReason.OUTPUT_LIMIT: (
        Ending.BROKEN,
        ErrorKind.LIMIT,
        "was stopped because it printed more than max_output_bytes, after {}",
    ),
    ExitReason.MEMORY_LIMIT: (
        Ending.BROKEN,
        ErrorKind.LIMIT,
        "was stopped because it used more memory than memory_cap_mb allows, after {}",
    ),
    # Whoever asked for the stop knows better and says `cancelled`.
    ExitReason.STOPPED: (Ending.INTERRUPTED, ErrorKind.NONE, "was stopped from outside, after {}"),
}


def conclude(settings: AdapterSettings, exit: ExitRecord | None, said: Fragment) -> Conclusion:
    """How a command's part ended, what kind of error that is, and the error for a person."""
    name = settings.name
    if exit is None:
        return (
            Ending.INTERRUPTED,
            ErrorKind.NONE,
            (
                f"nobody recorded how {name} ended: its supervisor was killed or the machine went down. "
                "What it had done is in the snapshot; look at it before you retry"
            ),
        )
    if exit.reason is ExitReason.NOT_STARTED:
        program = settings.command[0] if settings.command else "its program"
        return (
            Ending.BROKEN,
            ErrorKind.CRASH,
            (
                f"{name} could not be started: {exit.error or 'no reason was recorded'}. "
                f"Check that {program} exists in the workspace or on PATH and is executable"
            ),
        )
    if exit.reason in _NOT_BY_ITSELF:
        ending, kind, text = _NOT_BY_ITSELF[exit.reason]
        return ending, kind, f"{name} {text.format(_seconds(exit.duration_us))}"
    if exit.signal is not None or exit.code is None:
        return Ending.BROKEN, ErrorKind.CRASH, f"{name} was killed by signal {exit.signal}"
    if said.needs_human_decision:
        asked = f": {said.questions[0]}" if said.questions else ""
        return Ending.DECLINED, ErrorKind.NONE, f"{name} wants a person to decide{asked}"
    if exit.code in settings.success_exit_codes:
        return Ending.SUCCEEDED, ErrorKind.NONE, ""
    return Ending.BROKEN, ErrorKind.CRASH, f"{name} exited with code {exit.code}; its output says more"


def _seconds(microseconds: int) -> str:
    return f"{microseconds / 1_000_000:.1f} s"
