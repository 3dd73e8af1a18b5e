"""The `simulation` adapter: the scripted agent in the place of a real one.

It replaces the agent and nothing else; checkout, hook, snapshot, validations and policy are
real. The scripted agent is a program of its own (docs/simulation.md), found by its path: the
house never imports `codencer.testing`.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from codencer import __version__
from codencer.adapters.command import CommandParser
from codencer.errors import InvalidInput
from codencer.model.launch import Launch
from codencer.model.ports import Assignment, Parser, Probe
from codencer.model.step import AdapterSettings

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
        return False

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        if SCRIPTED_AGENT.is_file():
            return Probe(installed=True, version=__version__)
        return Probe(installed=False, problem=f"{SCRIPTED_AGENT} is missing; install codencer again")

    def launch(self, assignment: Assignment) -> Launch:
        # Named only when it is there: a name that is let through and missing refuses the launch.
        behaviour = (BEHAVIOUR,) if os.environ.get(BEHAVIOUR) else ()
        return Launch(
            argv=(sys.executable, "-I", "-S", os.fspath(SCRIPTED_AGENT)),
            env_names=tuple(dict.fromkeys((*self._settings.env, *behaviour))),
            stdin=assignment.prompt.encode("utf-8", "replace"),
            success_exit_codes=self._settings.success_exit_codes,
        )

    def parser(self) -> Parser:
        return CommandParser(self._settings)
