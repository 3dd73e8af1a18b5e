"""An attempt: one try at a step by one agent in one workspace, final once and for ever."""

from dataclasses import dataclass, field
from enum import StrEnum

from codencer.model.ending import Ending, ErrorKind, HaltCause
from codencer.model.launch import ExitRecord
from codencer.model.policy import Facts, Verdict
from codencer.model.step import StepState
from codencer.model.waiting import Wait

__all__ = [
    "AgentEvent",
    "AgentEventKind",
    "AgentOutcome",
    "Attempt",
    "AttemptState",
    "Ending",
    "ErrorKind",
    "FileChange",
    "Halt",
    "HaltCause",
    "HookStatus",
    "Pause",
    "Provisioning",
    "ScopeReport",
    "Snapshot",
]


class AttemptState(StrEnum):
    PREPARING = "preparing"
    RUNNING = "running"
    COLLECTING = "collecting"
    VALIDATING = "validating"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class AgentOutcome:
    """What an adapter concludes from an agent's output and exit; never from the code alone."""

    ending: Ending
    summary: str = ""
    error_kind: ErrorKind = ErrorKind.NONE
    error: str = ""
    session_id: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_microusd: int | None = None
    questions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    needs_human_decision: bool = False
    resets_at: int | None = None
    """UTC microseconds: when the agent said that its quota, or an overload, will be over."""


class AgentEventKind(StrEnum):
    MESSAGE = "message"
    THOUGHT = "thought"
    TOOL_CALL = "tool_call"
    """`text` is the call in one line, `data` {id, name, input}."""
    TOOL_RESULT = "tool_result"
    """`text` is what came out, shortened; `data` {id, failed}."""
    FILE_EDIT = "file_edit"
    """The agent says that it changed a file; `data` {path}. What changed, the diff says."""
    PLAN = "plan"
    """`data` {entries: [{content, status}]}"""
    USAGE = "usage"
    """`data` {input_tokens, output_tokens, cost_microusd}, each where it is known."""
    PERMISSION = "permission"
    """The agent asked to be allowed something; `data` {id, options}."""
    ERROR = "error"
    """`data` {kind: ErrorKind, final}; one that is not final was tried again by the agent."""


@dataclass(frozen=True, kw_only=True)
class AgentEvent:
    """One thing an agent said or did, the same for every adapter (one line of transcript.jsonl)."""

    kind: AgentEventKind
    text: str
    data: dict[str, object] = field(default_factory=dict)


class HookStatus(StrEnum):
    NONE = "none"
    PASSED = "passed"
    FAILED = "failed"
    TIMEOUT = "timeout"


@dataclass(frozen=True, kw_only=True)
class Provisioning:
    """What was laid into the workspace, and how its hook ended."""

    success: bool
    summary: str = ""
    log: tuple[str, ...] = ()
    duration_ms: int = 0
    environment_files: tuple[str, ...] = ()
    symlinks: tuple[str, ...] = ()
    post_create_hook: str = ""
    hook_status: HookStatus = HookStatus.NONE


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """One path of the diff from base to snapshot.

    `status` is git's letter (A, D, M, R, T); counts are None for binaries. A path that is
    not UTF-8 is in git's C-quoted form. `old_path` is set for renames.
    """

    path: str
    status: str
    additions: int | None = None
    deletions: int | None = None
    old_path: str | None = None
    old_mode: str = ""
    new_mode: str = ""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything an attempt left behind; the file list itself is the artifact `changed_files`.

    `complete` is false when something could not be read; `problems` then says what. Once
    `expired`, its refs are gone: the commit may be, too, and the evidence is what is left.
    """

    commit: str
    tree: str
    validated_tree: str
    complete: bool
    problems: tuple[str, ...] = ()
    files_changed: int = 0
    additions: int = 0
    deletions: int = 0
    protected_changed: tuple[str, ...] = ()
    expired: bool = False


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Why and until when an agent rests that goes on afterwards, in a further launch of its attempt.

    `launch` is the one that ended with `cause` (quota or overload), as `exit` says; the conversation
    `session_id` is taken up again. What that launch used up counts for the attempt.
    """

    launch: str
    cause: ErrorKind
    wait: Wait
    session_id: str
    exit: ExitRecord
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_microusd: int | None = None


@dataclass(frozen=True, kw_only=True)
class Halt:
    """Why the bridge stopped the agent; `reason` in words for people."""

    cause: HaltCause
    reason: str


@dataclass(frozen=True, kw_only=True)
class ScopeReport:
    """What the watch over an agent's scope has seen: paths it changed outside of it, as git quotes them.

    `problem` says why it sees less than everything; the diff is judged in any case.
    """

    paths: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """`tries` counts from 1 each time a person asks for the step; `fallback` is which of the step's
    fallback adapters it is by, 0 for none. It begins at the commit `begins_at`, if that is not the
    step's base.
    """

    id: str
    step_id: str
    run_id: str
    number: int
    state: AttemptState
    adapter: str
    requested_adapter: str
    created_at: int
    updated_at: int
    adapter_version: str = ""
    trust_level: str = "plain"
    feedback: str | None = None
    workspace: str | None = None
    provisioning: Provisioning | None = None
    launch: str | None = None
    agent_pid: int | None = None
    exit: ExitRecord | None = None
    outcome: AgentOutcome | None = None
    snapshot: Snapshot | None = None
    facts: Facts | None = None
    verdict: Verdict | None = None
    result_state: StepState | None = None
    summary: str = ""
    timings: dict[str, int] = field(default_factory=dict)
    released: bool = False
    tries: int = 1
    fallback: int = 0
    begins_at: str | None = None
    pauses: tuple[Pause, ...] = ()
    halt: Halt | None = None
    scope: ScopeReport = ScopeReport()

    @property
    def pause(self) -> Pause | None:
        """The pause that the attempt is in: its launch has ended, and no other was begun."""
        last = self.pauses[-1] if self.pauses and self.outcome is None else None
        return last if last is not None and last.launch == self.launch else None
