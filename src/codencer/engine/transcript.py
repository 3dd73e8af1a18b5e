"""What an agent said, read once it has ended: the transcript, and the outcome its adapter concludes."""

import json
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from codencer.engine.assignment import REPORT, RESULT
from codencer.engine.rooms import Trip
from codencer.model.attempt import AgentOutcome
from codencer.model.codec import encode
from codencer.model.launch import ExitRecord
from codencer.model.ports import Adapter, Parser

CHUNK_BYTES = 256 * 1024
TRANSCRIPT_BYTES = 16 * 1024 * 1024
"""Nobody reads more; the raw output is kept whole."""
LARGEST_FRAGMENT_BYTES = 1024 * 1024
LARGEST_REPORT_BYTES = 16 * 1024 * 1024


def read_outcome(trip: Trip, adapter: Adapter, folder: Path, record: ExitRecord | None) -> AgentOutcome:
    """Parse the agent's whole output, a piece at a time, and keep the transcript beside it."""
    parser = adapter.parser()
    left = TRANSCRIPT_BYTES
    exchange = trip.rooms.layout.exchange(trip.attempt.id)
    with (exchange / "transcript.jsonl").open("w", encoding="utf-8") as transcript:
        for part, reader in [*_before(trip, adapter, folder), (folder, parser)]:
            # The closing newline ends a last line that the agent left open.
            for data in chain(_chunks(part / "stdout"), (b"\n",)):
                for event in reader.feed(data):
                    if left > 0:
                        left -= transcript.write(json.dumps(encode(event)) + "\n")
    return parser.finish(
        record,
        _left(exchange / RESULT, LARGEST_FRAGMENT_BYTES),
        _left(exchange / REPORT, LARGEST_REPORT_BYTES),
    )


def _before(trip: Trip, adapter: Adapter, folder: Path) -> list[tuple[Path, Parser]]:
    """The launches of this attempt that ended in a pause, each to be read by a parser of its own."""
    names = [pause.launch for pause in trip.attempt.pauses if pause.launch != folder.name]
    return [(trip.rooms.layout.launch(trip.attempt.id, name), adapter.parser()) for name in names]


def _chunks(path: Path) -> Iterator[bytes]:
    if not path.exists():  # an agent that never started has printed nothing
        return
    with path.open("rb") as file:
        while data := file.read(CHUNK_BYTES):
            yield data


def _left(path: Path, largest: int) -> bytes | None:
    """A file that the agent may have written, one byte more than `largest` at most: trust nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(largest + 1)
