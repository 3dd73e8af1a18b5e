"""Policies and the facts they see. Evaluation is pure and lives in `codencer.policy`."""

from dataclasses import dataclass, field
from enum import StrEnum

from codencer.model.ending import Ending, ErrorKind, HaltCause


class Decision(StrEnum):
    FAIL = "fail"
    RETRY = "retry"
    GATE = "gate"
    CONTINUE = "continue"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A parsed policy file: four blocks of keys, each key with the value it was given."""

    name: str
    fail_when: dict[str, object] = field(default_factory=dict)
    retry_when: dict[str, object] = field(default_factory=dict)
    gate_when: dict[str, object] = field(default_factory=dict)
    continue_when: dict[str, object] = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything a policy may know about one attempt; None means it is not known.

    The first five are always needed; of the others, those that no key of the policy asks about may be
    unknown. `attempts`, `timeouts` and what was used up (cost, tokens in and out, time of agents at work)
    count since a person last asked for the step, this attempt included. Long lists are cut.
    """

    snapshot_complete: bool | None
    changed_files: int | None
    forbidden_paths_touched: tuple[str, ...] | None
    paths_outside_scope: tuple[str, ...] | None
    protected_paths_changed: tuple[str, ...] | None
    failed_validations: tuple[str, ...]
    failed_warnings: tuple[str, ...]
    survivors: tuple[str, ...]
    artifacts_complete: bool = True
    attempts: int = 1
    timeouts: int = 0
    ending: Ending = Ending.SUCCEEDED
    error_kind: ErrorKind = ErrorKind.NONE
    questions: tuple[str, ...] = ()
    cost_microusd: int | None = None
    tokens: int | None = None
    agent_ms: int | None = None
    changed_lines: int | None = None
    """Added and deleted ones; those of binary files do not count."""
    deleted_files: int | None = None
    dependency_files: tuple[str, ...] | None = None
    migrations: tuple[str, ...] | None = None
    ci_files: tuple[str, ...] | None = None
    generated_files: tuple[str, ...] | None = None
    binaries: tuple[str, ...] | None = None
    symlinks: tuple[str, ...] | None = None
    modes_changed: tuple[str, ...] | None = None
    """Made executable or no longer so, or added as a program."""
    submodules: tuple[str, ...] | None = None
    matched_paths: tuple[str, ...] | None = None
    """Those that a glob of the policy's own matches."""
    secrets: tuple[str, ...] | None = None
    """Where credentials were added, and of which kind; never what they are."""
    conflict_markers: tuple[str, ...] | None = None
    largest_file_bytes: int | None = None
    halt: HaltCause | None = None
    """Why the bridge stopped the agent, if that is how it ended."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A decision with its reasons: `fired` names the keys, `reasons` the facts behind them."""

    decision: Decision
    policy: str
    digest: str
    fired: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
