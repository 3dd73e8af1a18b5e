"""Every Protocol of the house on one screen: what an adapter is, and what it is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from codencer.model.attempt import AgentEvent, AgentOutcome
from codencer.model.launch import ExitRecord, Launch
from codencer.model.step import AdapterSettings
from codencer.model.task import TaskSpec


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Whether an agent can be used here; `problem` says how to mend it when it cannot."""

    installed: bool
    version: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What an adapter is given for one attempt.

    `prompt` is the whole text for the agent. `task_file` and `prompt_file` exist when the
    agent starts; the agent may write a fragment of a result to `result_file`.
    """

    task: TaskSpec
    prompt: str
    workspace: Path
    task_file: Path
    prompt_file: Path
    result_file: Path


class Parser(Protocol):
    """Turns an agent's output into events, without any I/O: bytes may be cut anywhere."""

    def feed(self, data: bytes) -> Sequence[AgentEvent]: ...

    def finish(self, exit: ExitRecord | None, fragment: bytes | None) -> AgentOutcome:
        """Conclude. `exit` is None when nobody recorded one; `fragment` is the result file."""
        ...


class Adapter(Protocol):
    """Knows one agent: how to start it and how to read its output. Starts nothing itself."""

    @property
    def settings(self) -> AdapterSettings: ...

    def probe(self) -> Probe: ...

    def launch(self, assignment: Assignment) -> Launch: ...

    def parser(self) -> Parser: ...
