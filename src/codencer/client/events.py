"""The daemon's event stream (server-sent events), with a cursor that survives its restart.

After a broken connection the stream is opened again behind the last event seen, so a reader
misses nothing. The pauses between tries exist only while there is no daemon to wait for.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from codencer.client.daemon import PREFIX, Daemon
from codencer.errors import DaemonUnreachable, WaitTimeout

RETURN_SECONDS = 60.0
"""How long a daemon that went away while we wait may take to come back."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
MAX_EVENT = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One event: its place in the ledger, its kind, and the whole record."""

    seq: int
    kind: str
    record: dict[str, Any]


def parse(pieces: Iterator[bytes]) -> Iterator[Seen]:
    """Turn the bytes of a `text/event-stream` into events; comments and other fields are skipped."""
    fields: dict[str, str] = {}
    for line in _lines(pieces):
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield Seen(seq=int(fields["id"]), kind=fields["event"], record=json.loads(fields["data"]))
            fields = {}


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    rest = bytearray()
    for piece in pieces:
        rest += piece
        if b"\n" in piece:
            *whole, last = bytes(rest).split(b"\n")
            yield from (line.decode() for line in whole)
            rest = bytearray(last)
        if len(rest) > MAX_EVENT:
            raise DaemonUnreachable(f"an event is larger than {MAX_EVENT} bytes")


def follow(
    daemon: Daemon,
    *,
    run: str | None = None,
    step: str | None = None,
    kinds: Sequence[str] = (),
    after: int = 0,
    deadline: float | None = None,
    away: Callable[[], None] = lambda: None,
) -> Iterator[Seen]:
    """Yield events for ever, reconnecting as needed.

    Args:
        deadline: on the monotonic clock; None waits for ever.
        away: called when the daemon went away and is waited for.

    Raises:
        WaitTimeout: the deadline passed.
        DaemonUnreachable: the daemon went away and did not come back in `RETURN_SECONDS`.
    """
    query = {"run": run, "step": step, "kinds": ",".join(kinds) or None}
    while True:
        try:
            headers = {"Last-Event-ID": str(after), "Accept": "text/event-stream"}
            left = _left(deadline)
            with daemon.open(
                "GET", f"{PREFIX}/events", query=query, headers=headers, timeout=left
            ) as response:
                for seen in parse(_bounded(response.pieces(), response.wait_at_most, deadline)):
                    after = seen.seq
                    yield seen
        except DaemonUnreachable:
            pass  # broken off in the middle: the same as an end, and answered below
        _come_back(daemon, deadline, away)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    if (left := deadline - time.monotonic()) <= 0:
        raise WaitTimeout("the time to wait is over")
    return left


def _bounded(
    pieces: Iterator[bytes], bound: Callable[[float | None], None], deadline: float | None
) -> Iterator[bytes]:
    """The same pieces, but no single read goes beyond the deadline."""
    while True:
        bound(_left(deadline))
        piece = next(pieces, None)
        if piece is None:
            return
        yield piece


def _come_back(daemon: Daemon, deadline: float | None, away: Callable[[], None]) -> None:
    pause, give_up = SHORTEST_PAUSE, time.monotonic() + RETURN_SECONDS
    while True:
        left = _left(deadline)
        try:
            daemon.find_again()
            daemon.get("/version")
            return
        except DaemonUnreachable:
            if pause == SHORTEST_PAUSE:
                away()
            if time.monotonic() >= give_up:
                raise
        time.sleep(pause if left is None else min(pause, left))
        pause = min(pause * 2, LONGEST_PAUSE)
