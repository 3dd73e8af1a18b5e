"""What an agent said in the log of a two-way launch, picked out of its frames as they grow.

Sans-I/O, for whoever only listens: `process.frames` reads the same log from its file, strictly. Here a
place where no frame begins ends the listening, and nobody is told more.
"""

import re
from collections.abc import Sequence
from typing import Protocol

from codencer.model.attempt import AgentEvent
from codencer.process.frames import Direction

LONGEST_HEAD = 512
_HEAD = re.compile(rb"(agent|bridge|relay) \d{1,20} (\d{1,12}) \S+\n")


class Listens(Protocol):
    """The half of a parser that is needed to follow an output."""

    def feed(self, data: bytes) -> Sequence[AgentEvent]: ...


class Framed:
    """Hands what the agent said to `inner`; pieces of the log may be cut anywhere."""

    def __init__(self, inner: Listens) -> None:
        self._inner = inner
        self._head = b""
        self._left = 0
        self._heard = False
        self._lost = False

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        """An empty line where a frame could begin ends the agent's last line, as after its end."""
        events: list[AgentEvent] = []
        while data and not self._lost:
            data = self._body(data, events) if self._left else self._begin(data, events)
        return events

    def _body(self, data: bytes, events: list[AgentEvent]) -> bytes:
        """Take what there is of the frame under way; its closing newline is no part of what was said."""
        part, rest = data[: self._left], data[self._left :]
        self._left -= len(part)
        said = part if self._left else part[:-1]
        if self._heard and said:
            events += self._inner.feed(said)
        return rest

    def _begin(self, data: bytes, events: list[AgentEvent]) -> bytes:
        line, newline, rest = data.partition(b"\n")
        self._head += line + newline
        if self._head == b"\n":
            events += self._inner.feed(b"\n")
        elif newline:
            found = _HEAD.fullmatch(self._head)
            self._lost = found is None
            if found is not None:
                self._heard = found[1].decode() == Direction.FROM_AGENT
                self._left = int(found[2]) + 1
        elif len(self._head) > LONGEST_HEAD:
            self._lost = True
        if newline:
            self._head = b""
        return rest


def from_first_frame(data: bytes) -> bytes:
    """The end of a log from where a frame seems to begin; an agent may have made it seem so."""
    found = re.compile(rb"^" + _HEAD.pattern, re.MULTILINE).search(data)
    return data[found.start() :] if found else b""
