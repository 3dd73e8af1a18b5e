"""A question of a two-way agent: it waits for the answer, however long the daemon is away."""

from dataclasses import dataclass
from enum import StrEnum

from codencer.model.dialogue import Option


class QuestionState(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    VOID = "void"
    """Its agent ended before it was answered."""


class AnsweredBy(StrEnum):
    PERSON = "person"
    POLICY = "policy"
    """What `approvals` says in the adapter's settings."""
    TIMEOUT = "timeout"


@dataclass(frozen=True, kw_only=True)
class AgentQuestion:
    """A permission that an agent asked for, and what was answered.

    `key` names it within the conversation of that `launch`. `option` is the id of the one that was chosen;
    None, once answered, refuses with none of those offered. After `expires_at` it is refused, never allowed.
    """

    id: str
    run_id: str
    step_id: str
    attempt_id: str
    launch: str
    key: str
    state: QuestionState
    text: str
    tool: str
    paths: tuple[str, ...]
    options: tuple[Option, ...]
    asked_at: int
    expires_at: int
    option: str | None = None
    by: AnsweredBy | None = None
    actor: str | None = None
    answered_at: int | None = None

    @property
    def allowed(self) -> bool:
        """Whether it was answered with an option that allows."""
        return any(each.id == self.option and each.allows for each in self.options)
