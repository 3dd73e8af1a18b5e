"""What an agent said, read once it has ended: the transcript, and the outcome its adapter concludes."""

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from codencer.engine.assignment import REPORT, RESULT, assignment_of
from codencer.engine.log_forms import PIECE_BYTES, event_line
from codencer.engine.overheard import Overheard, heard
from codencer.engine.rooms import Trip
from codencer.model.attempt import AgentOutcome
from codencer.model.launch import ExitRecord
from codencer.model.ports import Adapter, Parser, TwoWayAdapter
from codencer.model.question import AgentQuestion
from codencer.process.frames import LOG

TRANSCRIPT = "transcript.jsonl"
TRANSCRIPT_BYTES = 16 * 1024 * 1024
"""Nothing was left out of a smaller one; the raw output is kept whole."""
LARGEST_FRAGMENT_BYTES = 1024 * 1024
LARGEST_REPORT_BYTES = 16 * 1024 * 1024


def read_outcome(
    trip: Trip,
    adapter: Adapter,
    folder: Path,
    record: ExitRecord | None,
    questions: Sequence[AgentQuestion] = (),
) -> AgentOutcome:
    """Parse the agent's whole output, a piece at a time, and keep the transcript beside it.

    Args:
        questions: what a two-way agent asked, and was answered by the bridge.
    """
    parser: Parser
    if isinstance(adapter, TwoWayAdapter):
        parser = Overheard(adapter.session(assignment_of(trip)), folder, questions, trip.lost)
        said = parser.chunks()
    else:
        parser, said = adapter.parser(), _chunks(folder)
    left = TRANSCRIPT_BYTES
    exchange = trip.rooms.layout.exchange(trip.attempt.id)
    returned = trip.rooms.layout.returned(trip.attempt.id)
    # What is there may be a link of the agent's, if it was not confined.
    (exchange / TRANSCRIPT).unlink(missing_ok=True)
    with (exchange / TRANSCRIPT).open("x", encoding="utf-8") as transcript:
        for chunks, reader in [*_before(trip, adapter, folder), (said, parser)]:
            # The closing newline ends a last line that the agent left open.
            for data in chain(chunks, (b"\n",)):
                for event in reader.feed(data):
                    if left > 0:
                        left -= transcript.write(event_line(event) + "\n")
    return parser.finish(
        record,
        _left(returned / RESULT, LARGEST_FRAGMENT_BYTES),
        _left(returned / REPORT, LARGEST_REPORT_BYTES),
    )


def _before(trip: Trip, adapter: Adapter, folder: Path) -> Iterator[tuple[Iterator[bytes], Parser]]:
    """The launches of this attempt that ended in a pause, each to be read by a parser of its own."""
    for pause in trip.attempt.pauses:
        if pause.launch != folder.name:
            yield _chunks(trip.rooms.layout.launch(trip.attempt.id, pause.launch)), adapter.parser()


def _chunks(folder: Path) -> Iterator[bytes]:
    """What the agent of a launch said, nothing if it never started."""
    if (folder / LOG).exists():
        yield from heard(folder / LOG)
    elif (folder / "stdout").exists():
        with (folder / "stdout").open("rb") as file:
            while data := file.read(PIECE_BYTES):
                yield data


def _left(path: Path, largest: int) -> bytes | None:
    """A file that the agent may have written, one byte more than `largest` at most: trust nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(largest + 1)
