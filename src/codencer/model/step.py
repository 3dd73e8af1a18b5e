"""A step: one task of the planner, and everything frozen at its submission."""

from dataclasses import dataclass, field
from enum import StrEnum

from codencer.model.policy import Policy
from codencer.model.task import Provenance, TaskSpec
from codencer.model.waiting import NextTry


class StepState(StrEnum):
    PENDING = "pending"
    DISPATCHING = "dispatching"
    RUNNING = "running"
    COLLECTING_ARTIFACTS = "collecting_artifacts"
    VALIDATING = "validating"
    COMPLETED = "completed"
    COMPLETED_WITH_WARNINGS = "completed_with_warnings"
    NEEDS_APPROVAL = "needs_approval"
    NEEDS_MANUAL_ATTENTION = "needs_manual_attention"
    FAILED_VALIDATION = "failed_validation"
    FAILED_ADAPTER = "failed_adapter"
    FAILED_BRIDGE = "failed_bridge"
    FAILED_TERMINAL = "failed_terminal"
    FAILED_RETRYABLE = "failed_retryable"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


SUCCESSFUL_STATES = frozenset({StepState.COMPLETED, StepState.COMPLETED_WITH_WARNINGS})

SETTLED_STATES = frozenset(
    {
        *SUCCESSFUL_STATES,
        StepState.NEEDS_APPROVAL,
        StepState.NEEDS_MANUAL_ATTENTION,
        StepState.FAILED_VALIDATION,
        StepState.FAILED_ADAPTER,
        StepState.FAILED_BRIDGE,
        StepState.FAILED_TERMINAL,
        StepState.TIMEOUT,
        StepState.CANCELLED,
    }
)
"""No work of the bridge is left: final, or waiting for a person. `failed_retryable` is not here:
it only stands while the step waits for its next attempt."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """Where every attempt of a step begins. `commit` is None while another step is awaited."""

    ref: str
    commit: str | None = None
    step_id: str | None = None
    attempt_number: int | None = None


@dataclass(frozen=True, kw_only=True)
class ProvisioningSpec:
    """What is laid into a fresh checkout; paths are relative to the caller's checkout."""

    source: str = ""
    copy: tuple[str, ...] = ()
    symlinks: tuple[str, ...] = ()
    post_create: str = ""
    timeout_seconds: int = 600


SIMULATION = "simulation"
"""The adapter that runs the scripted agent."""


class PromptChannel(StrEnum):
    STDIN = "stdin"
    ARGV = "argv"
    FILE = "file"


class AgentProtocol(StrEnum):
    COMMAND = "command"
    ACP = "acp"
    """The Agent Client Protocol: the bridge speaks with the agent while it runs."""


class Approvals(StrEnum):
    """How the bridge answers an agent that asks to be allowed something (over ACP)."""

    ALLOW = "allow"
    SCOPE = "scope"
    """What stays inside the workspace and the task's allowed_paths is allowed, the rest is asked."""
    ASK = "ask"
    DENY = "deny"


class ScopeWatch(StrEnum):
    """What happens as soon as an agent at work changes something that its task does not allow."""

    OFF = "off"
    """Nothing: what is left in the end is judged."""
    WARN = "warn"
    STOP = "stop"


class SandboxMode(StrEnum):
    """Whether what an attempt starts is confined."""

    AUTO = "auto"
    """Where that is possible."""
    BWRAP = "bwrap"
    """Always: where it is not possible nothing is started."""
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class AdapterSettings:
    """One `[adapters.NAME]` table: a command of the user's own, or settings of a built-in.

    `program` takes the place of a built-in's executable (`CODEX_BINARY` sets it, too), `arguments`
    are added to its command line, `model` is what it is told to use. With `isolated_home` it gets a
    home folder of its own. A question that nobody answers within `approval_seconds` is denied.
    """

    name: str
    command: tuple[str, ...] = ()
    prompt: PromptChannel = PromptChannel.STDIN
    env: tuple[str, ...] = ()
    success_exit_codes: tuple[int, ...] = (0,)
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    protocol: AgentProtocol = AgentProtocol.COMMAND
    program: str = ""
    arguments: tuple[str, ...] = ()
    model: str = ""
    isolated_home: bool = False
    approvals: Approvals = Approvals.ALLOW
    approval_seconds: int = 3600


@dataclass(frozen=True, kw_only=True)
class FrozenSettings:
    """Settings read once, at submission, so that every attempt sees the same ones.

    `checkout` is the caller's work tree (absolute); `git_settings` are the user's own git
    settings that a checkout and a snapshot need (filters, line endings, identity). A higher
    `priority` goes first, between runs. `fallbacks` are the adapters that policy may go on to;
    `policy` is None in a step of a version that froze its name alone.
    """

    checkout: str
    adapter: AdapterSettings
    provisioning: ProvisioningSpec = ProvisioningSpec()
    git_settings: tuple[tuple[str, str], ...] = ()
    grace_seconds: int = 10
    max_output_bytes: int = 2 * 1024**3
    memory_cap_mb: int = 0
    scope_watch: ScopeWatch = ScopeWatch.OFF
    sandbox: SandboxMode = SandboxMode.AUTO
    priority: int = 0
    fallbacks: tuple[AdapterSettings, ...] = ()
    policy: Policy | None = None
    overlays: dict[str, str] = field(default_factory=dict)
    """What was captured of each validation's overlay: SHA-256 of its archive, by the validation's name."""

    def agent(self, fallback: int) -> AdapterSettings:
        """The adapter of an attempt: 0 is the step's own, then its fallbacks in order."""
        return (self.adapter, *self.fallbacks)[fallback]


@dataclass(frozen=True, kw_only=True)
class Step:
    """`revision` counts the times a person or policy took the step out of a settled state."""

    id: str
    run_id: str
    name: str
    title: str
    state: StepState
    task: TaskSpec
    provenance: Provenance
    frozen: FrozenSettings
    base: Base
    adapter: str
    policy: str
    position: int
    created_at: int
    updated_at: int
    revision: int = 0
    attempts: int = 0
    latest_attempt_id: str | None = None
    cancel_requested: bool = False
    feedback: str | None = None
    summary: str = ""
    reason: str = ""
    retryable: bool = False
    landed: tuple[str, ...] = field(default=())
    next_try: NextTry | None = None

    @property
    def simulated(self) -> bool:
        """Whether the scripted agent takes the place of the requested one, for whatever reason."""
        return self.task.is_simulation or self.frozen.adapter.name == SIMULATION

    @property
    def settled(self) -> bool:
        return self.state in SETTLED_STATES
