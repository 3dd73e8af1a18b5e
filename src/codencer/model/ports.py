"""Every Protocol of the house on one screen: what an adapter is, and what it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from codencer.model.attempt import AgentEvent, AgentOutcome
from codencer.model.dialogue import Due, FileRead, FileWrite, Message, PermissionRequest
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


class Session(Parser, Protocol):
    """Speaks with a two-way agent, without any I/O.

    What it wants said depends only on its assignment and on what it was fed, so a restarted daemon
    feeds the whole conversation to a new one, which then knows what is outstanding, and goes on.
    """

    @property
    def over(self) -> bool:
        """Whether nothing more is to be said: the turn has ended, or there can be none."""
        ...

    @property
    def linger_seconds(self) -> float:
        """How long the agent may take to end once all is said and its stdin closed; then it is stopped."""
        ...

    @property
    def stop_reason(self) -> str | None:
        """Why the agent ended its turn, in the words of the protocol; None while it has not."""
        ...

    def due(self) -> Sequence[Due]:
        """What is to be said or done now, in order; each is given out once. Before anything is fed,
        it is what begins the conversation."""
        ...

    def answer(self, asked: PermissionRequest, option: str | None) -> Message:
        """The answer with the option of that id; None refuses with none of those offered."""
        ...

    def served(self, asked: FileRead | FileWrite, text: str = "") -> Message:
        """The answer to a file request that was done; `text` is what was read."""
        ...

    def refused(self, asked: FileRead | FileWrite, why: str) -> Message:
        """The answer to a file request that was not done."""
        ...


@runtime_checkable
class TwoWayAdapter(Adapter, Protocol):
    """The adapter of an agent that is spoken with while it runs; its launches are two-way.

    `parser` reads what such an agent said on its own; a conversation is led by a `session`.
    """

    def session(self, assignment: Assignment) -> Session: ...
