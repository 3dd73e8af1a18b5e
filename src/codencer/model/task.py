"""TaskSpec v1: what a planner asks for. Contract: docs/tasks.md and schemas/task.schema.json.

Values are already checked and normalised when these objects exist; parsing and its error
messages belong to the engine's intake.
"""

from dataclasses import dataclass, field
from enum import StrEnum

MAX_GOAL_BYTES = 1024 * 1024
DEFAULT_TIMEOUT_SECONDS = 1800
DEFAULT_VALIDATION_SECONDS = 600


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class SourceKind(StrEnum):
    TASK_FILE = "task_file"
    TASK_JSON = "task_json"
    PROMPT_FILE = "prompt_file"
    GOAL = "goal"
    STDIN = "stdin"
    API = "api"
    MCP = "mcp"


@dataclass(frozen=True, kw_only=True)
class TaskContext:
    summary: str = ""
    """What the agent should know beforehand."""


@dataclass(frozen=True, kw_only=True)
class ValidationSpec:
    """A command the bridge runs on the validated tree.

    `command` is a shell line (string) or an argv (list). `report` is `exit` or `junit:PATH`.
    """

    name: str
    """Unique within the task."""
    command: str | tuple[str, ...]
    """A shell line (string) or an argv (list)."""
    timeout_seconds: int = DEFAULT_VALIDATION_SECONDS
    """Its own limit, not taken from the agent's."""
    severity: Severity = Severity.ERROR
    """`error` fails the step when it fails; `warning` only says so."""
    report: str = "exit"
    """Where the verdict comes from: `exit` (the exit code) or `junit:PATH` (a report it writes)."""
    protected_paths: tuple[str, ...] = ()
    """Gitignore-style globs that are put back to the base before it runs, so that an agent
    cannot edit what judges it."""
    baseline: bool = False
    """Run it on the base commit too, and compare: what failed there already does not fail the step."""
    must_fail_before: bool = False
    """It has to fail on the base commit: the proof that it can tell."""
    clean: bool = False
    """Run it in a fresh checkout, provisioned again, instead of the agent's workspace."""
    retries: int = 0
    """How often a failure is tried again, on the same tree, before it counts."""
    env: dict[str, str] = field(default_factory=dict)
    """Added to its environment, which is an allow-list otherwise."""
    overlay: str | None = None
    """A folder of the planner's, captured at submission and laid over the tree for it alone."""
    hidden: bool = False
    """Not told to the agent."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """The versioned input contract; only `goal` is required."""

    goal: str
    """The instruction to the agent, at most 1 MiB."""
    version: str = "v1"
    project_id: str | None = None
    """A label to filter by."""
    run_id: str | None = None
    """Has to equal the run it is submitted to."""
    phase_id: str | None = None
    """A label to group by."""
    step_id: str | None = None
    """The step's name within its run; chosen by the bridge when absent."""
    title: str | None = None
    """One line for people."""
    context: TaskContext = TaskContext()
    """What surrounds the goal."""
    constraints: tuple[str, ...] = ()
    """What the agent must keep to."""
    acceptance: tuple[str, ...] = ()
    """What has to hold when it is done."""
    stop_conditions: tuple[str, ...] = ()
    """When the agent should stop and say so."""
    allowed_paths: tuple[str, ...] = ()
    """Gitignore-style globs: told to the agent, and enforced on the real diff."""
    forbidden_paths: tuple[str, ...] = ()
    """Gitignore-style globs: told to the agent, and enforced on the real diff."""
    validations: tuple[ValidationSpec, ...] = ()
    """Commands the bridge runs after the agent; they give the verdict."""
    policy_bundle: str | None = None
    """Absent: the setting default_policy."""
    adapter_profile: str | None = None
    """Which agent; absent: the setting default_adapter."""
    fallback_adapters: tuple[str, ...] = ()
    """Tried in order when policy says to retry with the next agent."""
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    """One attempt, from the agent's start to its exit; 0 is no limit."""
    idle_timeout_seconds: int = 0
    """How long an agent may print nothing; 0 is no limit."""
    base: str = "HEAD"
    """HEAD, any ref, `dirty` (the caller's checkout as it is) or `step:<id>`; pinned at submission."""
    is_simulation: bool = False
    """The scripted agent replaces the agent, and nothing else."""

    @property
    def protected_paths(self) -> tuple[str, ...]:
        """Every glob that any validation protects, in order, without repeats."""
        globs = (glob for validation in self.validations for glob in validation.protected_paths)
        return tuple(dict.fromkeys(globs))


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How the task reached the bridge, kept word for word."""

    source_kind: SourceKind
    source_name: str
    original_format: str
    original_input: str
    defaults_applied: tuple[str, ...] = ()
