"""What passes between the bridge and a two-way agent, apart from the bytes: things to say and to do.

Each has the key of the frame that it is, or is answered with: a frame of one key reaches the agent
at most once, so whoever leads the conversation knows by the key what is done already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class OptionKind(StrEnum):
    ALLOW_ONCE = "allow_once"
    ALLOW_ALWAYS = "allow_always"
    REJECT_ONCE = "reject_once"
    REJECT_ALWAYS = "reject_always"


ALLOWING = (OptionKind.ALLOW_ONCE, OptionKind.ALLOW_ALWAYS)
"""The narrower one first: what is allowed once is asked, and recorded, again the next time."""
REFUSING = (OptionKind.REJECT_ONCE, OptionKind.REJECT_ALWAYS)


@dataclass(frozen=True, kw_only=True)
class Option:
    """One answer that an agent offers; `id` is the agent's own word for it, `name` is for people."""

    id: str
    name: str
    kind: OptionKind

    @property
    def allows(self) -> bool:
        return self.kind in ALLOWING


def narrowest(options: Sequence[Option], kinds: Sequence[OptionKind]) -> Option | None:
    """The first option of the first of these kinds that is offered at all."""
    return next((each for kind in kinds for each in options if each.kind is kind), None)


@dataclass(frozen=True, kw_only=True)
class Message:
    """Bytes for the agent, to be sent as one frame."""

    key: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class PermissionRequest:
    """The agent asks to be allowed something, and waits.

    `tool` is what kind of thing (`edit`, `execute`, …) in the agent's words. `paths` are the files that
    it says are concerned, absolute or relative to the workspace; empty when it names none, or too many.
    """

    key: str
    text: str
    tool: str
    paths: tuple[str, ...]
    options: tuple[Option, ...]


@dataclass(frozen=True, kw_only=True)
class FileRead:
    """The agent asks for the text of a file: from line `first` (1 is the first), at most `lines` of them."""

    key: str
    path: str
    first: int | None = None
    lines: int | None = None


@dataclass(frozen=True, kw_only=True)
class FileWrite:
    """The agent asks that a file be written, whole."""

    key: str
    path: str
    text: str


Due = Message | PermissionRequest | FileRead | FileWrite
