"""The log of a two-way launch, read while its relay may be writing to it.

A frame is a line `DIRECTION MONOTONIC_NS LENGTH KEY`, the bytes, and a newline. There is one
writer and it only appends, so what is incomplete can only be at the end, and is not there yet.
Everything here blocks briefly on the disk.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from codencer.errors import StorageFailed

LOG = "conversation"
"""The log's name in a launch folder."""

_LONGEST_LINE = 512
_READ_BYTES = 1 << 20


class Direction(StrEnum):
    FROM_AGENT = "agent"
    """Some bytes as they came; the borders between two such frames mean nothing."""
    TO_AGENT = "bridge"
    """Exactly what one call of `Conversation.send` gave."""
    RELAY = "relay"
    """What happened, in words: `started PID`, `failed WHY` or `closed` (the agent's stdin)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One entry of the log; `at_ns` is monotonic, `position` is where the next one begins."""

    direction: Direction
    at_ns: int
    data: bytes
    position: int
    key: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    direction: Direction
    at_ns: int
    length: int
    key: str


def read_frames(path: Path, position: int, at_most: int = _READ_BYTES) -> list[Frame]:
    """The complete frames from `position` on: about `at_most` bytes of them, or none.

    Raises:
        StorageFailed: no frame begins there, or the log cannot be read.
    """
    found: list[Frame] = []
    with _opened(path) as source:
        for line in _lines(source, path, position):
            data = source.read(line.length)
            source.read(1)
            end = source.tell()
            found.append(
                Frame(direction=line.direction, at_ns=line.at_ns, data=data, position=end, key=line.key)
            )
            if end - position >= at_most:
                break
    return found


def read_sent(path: Path) -> dict[str, bytes]:
    """What was sent to the agent: the SHA-256 of each frame by its key."""
    with _opened(path) as source:
        return {
            line.key: hashlib.sha256(source.read(line.length)).digest()
            for line in _lines(source, path, 0)
            if line.direction is Direction.TO_AGENT
        }


def read_failure(path: Path) -> str:
    """Why the agent could not be started; empty when it was, or there is no such log."""
    try:
        frames = read_frames(path, 0, at_most=0)
    except StorageFailed:
        return ""
    words = frames[0].data.decode("utf-8", "replace") if frames else ""
    return words.removeprefix("failed ") if words.startswith("failed ") else ""


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as problem:
        raise StorageFailed(f"the conversation in {path} cannot be read: {problem.strerror}") from problem


def _lines(source: BinaryIO, path: Path, position: int) -> Iterator[_Line]:
    """Go through the complete frames; at each yield `source` is at the beginning of its data."""
    size = source.seek(0, 2)
    while position < size:
        source.seek(position)
        raw = source.readline(_LONGEST_LINE)
        if not raw.endswith(b"\n") and len(raw) < _LONGEST_LINE:
            return
        line = _parse(raw, path, position)
        begin = position + len(raw)
        position = begin + line.length + 1
        if position > size:
            return
        source.seek(begin)
        yield line


def _parse(raw: bytes, path: Path, position: int) -> _Line:
    try:
        direction, at_ns, length, key = raw.decode("ascii").removesuffix("\n").split(" ")
        return _Line(
            direction=Direction(direction),
            at_ns=int(at_ns),
            length=max(0, int(length)),
            key="" if key == "-" else key,
        )
    except ValueError as problem:
        raise StorageFailed(
            f"{path} is damaged: no frame begins at byte {position}; nothing was changed and nothing "
            "more is sent to this agent: cancel its step and try it again"
        ) from problem
