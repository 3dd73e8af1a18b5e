"""Every Protocol of the house on one screen: what an adapter is, and what it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from codencer.model.attempt import AgentEvent, AgentOutcome
from codencer.model.launch import ExitRecord, Launch
from codencer.model.step import AdapterSettings
from codencer.model.task import TaskSpec


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Whether an agent can be used here; `problem` says how to mend it when it cannot.

    An agent with a problem is not started. `signed_in` is None when only its vendor could tell.
    `verified` is the range of versions whose behaviour was measured, in words (`2.1.197 to 2.1.330`);
    with a version outside of it, or one that cannot be told, `warnings` says so.
    """

    installed: bool
    version: str = ""
    problem: str = ""
    verified: str = ""
    signed_in: bool | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What an adapter is given for one attempt.

    `prompt` is the whole text for the agent. `task_file` and `prompt_file` exist when the
    agent starts; the agent may write a fragment of a result to `result_file`, and its adapter may
    have it write facts of its own (tokens, a trajectory) to `report_file`. Both are read after its
    end and hold nothing that is believed without a check. `session_id` is the conversation of an
    earlier attempt that is to go on; only an adapter that `resumes` ever gets one.
    """

    task: TaskSpec
    prompt: str
    workspace: Path
    task_file: Path
    prompt_file: Path
    result_file: Path
    report_file: Path
    session_id: str | None = None


class Parser(Protocol):
    """Turns an agent's output into events, without any I/O: bytes may be cut anywhere."""

    def feed(self, data: bytes) -> Sequence[AgentEvent]: ...

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        """Conclude. `exit` is None when nobody recorded one; `fragment` is the result file and
        `report` the report file, each None when the agent left none."""
        ...


class Adapter(Protocol):
    """Knows one agent: how to start it and how to read its output. Starts nothing itself."""

    @property
    def settings(self) -> AdapterSettings: ...

    @property
    def resumes(self) -> bool:
        """Whether a conversation can be taken up again from the workspace of another attempt."""
        ...

    def probe(self, environ: Mapping[str, str] = ...) -> Probe:
        """Look, without starting anything; `environ` is what the agent's own would be taken from."""
        ...

    def launch(self, assignment: Assignment) -> Launch: ...

    def parser(self) -> Parser: ...
