"""A gate: a durable question to a person, bound to the exact trees it was asked about."""

from dataclasses import dataclass
from enum import StrEnum


class GateState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"


@dataclass(frozen=True, kw_only=True)
class Gate:
    id: str
    run_id: str
    step_id: str
    attempt_id: str
    state: GateState
    snapshot_tree: str
    validated_tree: str
    reasons: tuple[str, ...]
    created_at: int
    updated_at: int
    actor: str | None = None
    note: str | None = None
