"""Policies and the facts they see. Evaluation is pure and lives in `codencer.policy`."""

from dataclasses import dataclass, field
from enum import StrEnum

from codencer.model.ending import Ending, ErrorKind


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
    """Everything a policy may know about one attempt; None means it could not be found out.

    `attempts` and `timeouts` count since a person last asked for the step, this attempt included.
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


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A decision with its reasons: `fired` names the keys, `reasons` the facts behind them."""

    decision: Decision
    policy: str
    digest: str
    fired: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
