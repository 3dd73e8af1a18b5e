"""The status line while a command waits: stage, elapsed time, what the agent says or does.

Only on a terminal (stderr). It is drawn from the daemon's events and the streamed log; the one
timer here moves the clock on the screen.
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

from codencer.cli.face import clean
from codencer.client.daemon import Daemon, path
from codencer.client.events import Seen
from codencer.errors import CodencerError

REDRAW_SECONDS = 1.0
RECENT_OUTPUT = 64 * 1024
"""Bytes of what was printed before the wait began: enough to hold a whole line of JSON as a rule."""
LONGEST_LINE = 4096

_STAGES = {
    "step.submitted": "queued",
    "step.retried": "queued again",
    "attempt.started": "preparing",
    "workspace.ready": "workspace ready",
    "agent.launching": "starting the agent",
    "agent.started": "agent at work",
    "question.asked": "waits for an answer",
    "question.answered": "agent at work",
    "agent.paused": "waiting for the agent's quota",
    "agent.halted": "stopping the agent",
    "agent.exited": "collecting",
    "snapshot.taken": "validating",
    "policy.decided": "deciding",
    "step.retry_planned": "waiting to try again",
    "step.settled": "settled",
}


class StatusLine:
    """Redrawn in place; gone when the block ends. `tell` may print lines of its own about an event."""

    def __init__(self, daemon: Daemon, step_id: str, tell: Callable[[Seen], None]) -> None:
        self._daemon, self._step, self._tell = daemon, step_id, tell
        self._began = time.monotonic()
        self._stage, self._said = "queued", ""
        self._over = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "StatusLine":
        self._clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._clock.join()
        self._clear()

    def watch(self, seen: Seen) -> None:
        """Take one event of the step into account."""
        by_policy = seen.kind == "question.asked" and not seen.record["body"]["waits"]
        self._stage = self._stage if by_policy else _STAGES.get(seen.kind, self._stage)
        self._clear()
        self._tell(seen)
        if seen.kind == "agent.started":
            threading.Thread(target=self._listen, daemon=True).start()
        self._draw()

    def waits(self, why: str) -> None:
        self._stage = why
        self._draw()

    def away(self) -> None:
        self._stage = "waiting for the daemon to come back"
        self._draw()

    def _tick(self) -> None:
        while not self._over.wait(REDRAW_SECONDS):
            self._draw()

    def _clear(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()

    def _draw(self) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        line = f"{self._stage}  {minutes}:{seconds:02}  {self._said}"
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\x1b[K{line[:width]}")
        sys.stderr.flush()

    def _listen(self) -> None:
        """Keep the last line that tells what the agent says or does."""
        rest = b""
        try:
            for piece in self._daemon.pieces(
                path("steps", self._step, "logs"),
                {"follow": True, "format": "text", "offset": -RECENT_OUTPUT},
            ):
                lines = (rest + piece).split(b"\n")
                rest = lines[-1][-LONGEST_LINE:]
                said = [line for line in lines[:-1] if line.strip()]
                if said:
                    self._said = clean(said[-1][:LONGEST_LINE].decode("utf-8", "replace"))
                    self._said = self._said.replace("\t", " ").strip()
        except CodencerError:
            self._said = ""
