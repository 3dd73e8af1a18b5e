"""An agent's output in the form a reader wants, told as it grows: raw, as events, or as text.

Incremental: what a teller keeps does not grow with the output. Each reader has one of its own, so
a slow one costs nobody else anything.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Protocol

from codencer.adapters.lines import LineReader, shortened
from codencer.adapters.readable import readable
from codencer.engine.framed import Listens
from codencer.model.attempt import AgentEvent, AgentEventKind
from codencer.model.codec import encode

PIECE_BYTES = 16 * 1024
"""Parsed at a time: of the shortest possible lines it holds 8192, of which each becomes an object."""
LONGEST_EVENT = 128 * 1024
"""Characters of one event as a line; of a longer one only the beginning of its text is kept."""


_JSON = json.JSONEncoder(default=encode, allow_nan=False)
"""Made once: making one for each line takes longer than the line."""


class LogForm(StrEnum):
    RAW = "raw"
    """Byte for byte."""
    TEXT = "text"
    """Lines for a person."""
    EVENTS = "events"
    """One AgentEvent a line, as JSON."""


class Teller(Protocol):
    def feed(self, data: bytes) -> bytes:
        """What these bytes add, in the wanted form."""
        ...

    def end(self) -> bytes:
        """What is left once there will be no more bytes."""
        ...


class Verbatim:
    """The bytes as they are."""

    def feed(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        return b""


class Told:
    """Events of a parser, in text or as JSON lines.

    Args:
        midway: the bytes begin somewhere within a line, which is left out.
        unheard: so many bytes are understood, and nothing of them is told.
    """

    def __init__(self, parser: Listens, form: LogForm, *, midway: bool = False, unheard: int = 0) -> None:
        self._parser = parser
        self._unheard = unheard
        self._lines: Callable[[AgentEvent], Sequence[str]] = (
            readable if form is LogForm.TEXT else lambda event: (event_line(event),)
        )
        self._midway = midway

    def feed(self, data: bytes) -> bytes:
        if self._midway:
            _, newline, data = data.partition(b"\n")
            self._midway = not newline
        return b"".join(self._told(piece) for piece in pieces(data))

    def end(self) -> bytes:
        # The closing newline ends a last line that the agent left open.
        return self.feed(b"\n")

    def _told(self, piece: bytes) -> bytes:
        events = self._parser.feed(piece)
        if self._unheard > 0:
            self._unheard -= len(piece)
            return b""
        lines = [line for event in events for line in self._lines(event)]
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


class Recorded:
    """A transcript that was kept, read back into its events."""

    def __init__(self) -> None:
        self._reader = LineReader(LONGEST_EVENT)

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        return [event for line in self._reader.feed(data) if (event := _event(line)) is not None]


def event_line(event: AgentEvent) -> str:
    """One event as a line of JSON; what an agent put into it can neither break nor flood it."""
    try:
        line = _JSON.encode({"kind": event.kind, "text": event.text, "data": event.data})
    except (TypeError, ValueError, RecursionError):
        line = ""
    if not line or len(line) > LONGEST_EVENT:
        text = shortened(event.text, LONGEST_EVENT // 16)  # a character may take twelve as JSON
        line = json.dumps({"kind": event.kind, "text": text, "data": {"left_out": True}})
    return line


def _event(line: str) -> AgentEvent | None:
    try:
        said = json.loads(line)
        return AgentEvent(kind=AgentEventKind(said["kind"]), text=str(said["text"]), data=dict(said["data"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut bytes into what is parsed at a time."""
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]
