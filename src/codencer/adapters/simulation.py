"""The `simulation` adapter: the scripted agent in the place of a real one.

It replaces the agent and nothing else; checkout, hook, snapshot, validations and policy are
real. The scripted agent is a program of its own (docs/simulation.md), found by its path: the
house never imports `codencer.testing`. What it says of itself is a line of JSON after MARK.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from codencer import __version__
from codencer.adapters.command import CommandParser
from codencer.errors import InvalidInput
from codencer.model.attempt import AgentEvent, AgentEventKind, AgentOutcome, Ending, ErrorKind
from codencer.model.launch import ExitRecord, Launch
from codencer.model.ports import Assignment, Parser, Probe
from codencer.model.step import AdapterSettings

MARK = "scripted agent: "
SCRIPTED_AGENT = Path(__file__).resolve().parent.parent / "testing" / "scripted_agent.py"
BEHAVIOUR = "CODENCER_SCRIPT"
"""In the daemon's environment: directives that take the place of the task's own."""


def make(name: str, settings: AdapterSettings | None, _checkout: Path | None) -> "SimulationAdapter":
    """Return the adapter; where the repository lies does not matter to it."""
    if settings is not None and settings.command:
        raise InvalidInput(
            f"[adapters.{name}] has a command, but {name} is built in: choose another name for your command"
        )
    return SimulationAdapter(settings or AdapterSettings(name=name))


class SimulationAdapter:
    """Runs `codencer/testing/scripted_agent.py` with this Python."""

    def __init__(self, settings: AdapterSettings) -> None:
        self._settings = settings

    @property
    def settings(self) -> AdapterSettings:
        return self._settings

    @property
    def resumes(self) -> bool:
        return True

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        if SCRIPTED_AGENT.is_file():
            return Probe(installed=True, version=__version__)
        return Probe(installed=False, problem=f"{SCRIPTED_AGENT} is missing; install codencer again")

    def launch(self, assignment: Assignment) -> Launch:
        # Named only when it is there: a name that is let through and missing refuses the launch.
        behaviour = (BEHAVIOUR,) if os.environ.get(BEHAVIOUR) else ()
        going_on = ("--resume", assignment.session_id) if assignment.session_id else ()
        return Launch(
            argv=(sys.executable, "-I", "-S", os.fspath(SCRIPTED_AGENT), *going_on),
            env_names=tuple(dict.fromkeys((*self._settings.env, *behaviour))),
            stdin=assignment.prompt.encode("utf-8", "replace"),
            success_exit_codes=self._settings.success_exit_codes,
        )

    def parser(self) -> Parser:
        return SimulationParser(self._settings)


class SimulationParser:
    """A command's parser, and what the scripted agent says of itself."""

    def __init__(self, settings: AdapterSettings) -> None:
        self._plain = CommandParser(settings)
        self._said: dict[str, object] = {}
        self._tokens: int | None = None
        self._microusd: int | None = None

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        return [self._read(event) for event in self._plain.feed(data)]

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        outcome = self._plain.finish(exit, fragment, report)
        session, resets_at = self._said.get("session"), self._said.get("resets_at")
        outcome = replace(
            outcome,
            session_id=session if isinstance(session, str) else None,
            input_tokens=None if self._tokens is None else 0,
            output_tokens=self._tokens,
            cost_microusd=self._microusd,
        )
        kind = self._said.get("error")
        if outcome.ending is not Ending.BROKEN or kind not in (ErrorKind.QUOTA, ErrorKind.OVERLOAD):
            return outcome
        return replace(
            outcome,
            error_kind=ErrorKind(str(kind)),
            error=f"the scripted agent plays {kind}",
            resets_at=resets_at if type(resets_at) is int else None,
        )

    def _read(self, event: AgentEvent) -> AgentEvent:
        if not event.text.startswith(MARK):
            return event
        try:
            said = json.loads(event.text.removeprefix(MARK))
        except (ValueError, RecursionError):
            return event
        if not isinstance(said, dict):
            return event
        self._said |= said
        tokens, microusd = said.get("tokens"), said.get("microusd")
        if type(tokens) is int and type(microusd) is int:
            self._tokens = (self._tokens or 0) + tokens
            self._microusd = (self._microusd or 0) + microusd
            return replace(
                event, kind=AgentEventKind.USAGE, data={"output_tokens": tokens, "cost_microusd": microusd}
            )
        return replace(event, kind=AgentEventKind.ERROR, data={"kind": str(said.get("error")), "final": True})
