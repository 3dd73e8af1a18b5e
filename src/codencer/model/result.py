"""ResultSpec v1: the versioned output contract. Schema: schemas/result.schema.json.

`state` is the step's state: there is one source of truth.
"""

from dataclasses import dataclass, field

from codencer.model.attempt import ErrorKind, FileChange, Provisioning
from codencer.model.policy import Decision
from codencer.model.step import StepState
from codencer.model.validation import ValidationResult


@dataclass(frozen=True, kw_only=True)
class PolicyResult:
    name: str
    digest: str
    """SHA-256 of the policy that was applied."""
    decision: Decision
    reasons: tuple[str, ...] = ()
    """The facts behind every key that fired."""


@dataclass(frozen=True, kw_only=True)
class AgentResult:
    """`cost_usd` is a decimal string, because the record holds no floats."""

    summary: str = ""
    """What the agent said last, whatever became of it; a claim, not a proof."""
    session_id: str | None = None
    """The agent's own name for its conversation."""
    exit_code: int | None = None
    signal: int | None = None
    error_kind: ErrorKind = ErrorKind.NONE
    """`none` unless the agent itself failed."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: str | None = None


@dataclass(frozen=True, kw_only=True)
class ResultSpec:
    """`timings` are milliseconds by stage; `created_at` and `updated_at` are RFC 3339 UTC."""

    run_id: str
    step_id: str
    state: StepState
    created_at: str
    updated_at: str
    version: str = "v1"
    phase_id: str | None = None
    step_name: str = ""
    """The planner's name of the step within its run."""
    attempt_id: str | None = None
    """The attempt this result is of: the newest one."""
    attempt_number: int = 0
    revision: int = 0
    """How often the step was taken out of a settled state."""
    adapter: str = ""
    """The agent that ran."""
    requested_adapter: str = ""
    """The agent that was asked for."""
    adapter_version: str = ""
    model: str | None = None
    trust_level: str = "plain"
    """`plain` (agent and bridge share a user) or `sandboxed`."""
    summary: str = ""
    """What happened, for people."""
    base_commit: str | None = None
    snapshot_commit: str | None = None
    """Everything the attempt left behind, kept in the repository."""
    snapshot_tree: str | None = None
    """The tree of that commit; a gate is bound to it."""
    validated_tree: str | None = None
    """The snapshot's tree with protected paths put back: what validations judged."""
    files_changed: tuple[FileChange, ...] = ()
    """From base to snapshot, computed by the bridge."""
    validations: tuple[ValidationResult, ...] = ()
    policy: PolicyResult | None = None
    gate_id: str | None = None
    """The question a person has to answer."""
    needs_human_decision: bool = False
    warnings: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    provisioning: Provisioning | None = None
    artifacts: dict[str, str] = field(default_factory=dict)
    """Path of each file of evidence by its name."""
    raw_output_ref: str | None = None
    """The agent's output, byte for byte."""
    agent: AgentResult = AgentResult()
    timings: dict[str, int] = field(default_factory=dict)
    is_simulation: bool = False
    retryable: bool = False
    """Whether another attempt could end otherwise with nothing else changed."""
