"""What `codencer step logs` prints: the agent's doings as lines, as one JSON document, or raw."""

import codecs
import json
from collections import deque
from collections.abc import Iterator
from typing import Any

from codencer.cli.face import Face, clean
from codencer.client.daemon import Daemon, path

JSON_BYTES = 16 * 1024 * 1024
"""The most of a log that one JSON document carries: its end."""


def print_raw(face: Face, daemon: Daemon, step: str, *, follow: bool, stderr: bool) -> None:
    """Print the bytes as they came."""
    query = {"stream": "stderr" if stderr else "stdout", "follow": follow}
    for piece in daemon.pieces(path("steps", step, "logs"), query):
        face.write(piece)


def print_stderr(face: Face, daemon: Daemon, step: str, *, follow: bool) -> None:
    """Print the standard error, of which nothing is known but its text."""
    query: dict[str, str | int | bool] = {"stream": "stderr", "follow": follow}
    if face.json:
        query["offset"] = -JSON_BYTES
    pieces = daemon.pieces(path("steps", step, "logs"), query)
    if face.json:
        text = b"".join(pieces).decode("utf-8", "replace")
        face.document({"step": step, "stream": "stderr", "text": text})
    else:
        _print_clean(face, pieces)


def print_events(face: Face, daemon: Daemon, step: str, *, follow: bool) -> None:
    """Print what the agent said and did, as lines for a person or as events for a program."""
    query = {"format": "events" if face.json else "text", "follow": follow}
    pieces = daemon.pieces(path("steps", step, "logs"), query)
    if face.json:
        events, left_off = _newest(_lines(pieces))
        face.document({"step": step, "stream": "stdout", "events": events, "left_off": left_off})
    else:
        _print_clean(face, pieces)


def _print_clean(face: Face, pieces: Iterator[bytes]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        face.write(clean(decoder.decode(piece)).encode())
    face.write(clean(decoder.decode(b"", final=True)).encode())


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _newest(lines: Iterator[bytes]) -> tuple[list[Any], int]:
    """The events of the last lines that fit into one document, and how many came before."""
    kept: deque[bytes] = deque()
    size = left_off = 0
    for line in lines:
        kept.append(line)
        size += len(line)
        while size > JSON_BYTES:
            size -= len(kept.popleft())
            left_off += 1
    return [json.loads(line) for line in kept], left_off
