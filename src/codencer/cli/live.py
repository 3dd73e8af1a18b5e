"""The status line while a command waits: stage, elapsed time, the agent's last line of output.

Only on a terminal (stderr). It is drawn from the daemon's events and the streamed log; the one
timer here moves the clock on the screen.
"""

import shutil
import sys
import threading
import time
from types import TracebackType

from codencer.cli.face import clean
from codencer.client.daemon import Daemon, path
from codencer.client.events import Seen
from codencer.errors import CodencerError

REDRAW_SECONDS = 1.0
RECENT_OUTPUT = 4096

_STAGES = {
    "step.submitted": "queued",
    "step.retried": "queued again",
    "attempt.started": "preparing",
    "workspace.ready": "workspace ready",
    "agent.launching": "starting the agent",
    "agent.started": "agent at work",
    "agent.paused": "waiting for the agent's quota",
    "agent.exited": "collecting",
    "snapshot.taken": "validating",
    "policy.decided": "deciding",
    "step.retry_planned": "waiting to try again",
    "step.settled": "settled",
}


class StatusLine:
    """Redrawn in place; gone when the block ends."""

    def __init__(self, daemon: Daemon, step_id: str) -> None:
        self._daemon, self._step = daemon, step_id
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
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()

    def watch(self, seen: Seen) -> None:
        """Take one event of the step into account."""
        self._stage = _STAGES.get(seen.kind, self._stage)
        if seen.kind == "agent.started":
            threading.Thread(target=self._listen, daemon=True).start()
        self._draw()

    def away(self) -> None:
        self._stage = "waiting for the daemon to come back"
        self._draw()

    def _tick(self) -> None:
        while not self._over.wait(REDRAW_SECONDS):
            self._draw()

    def _draw(self) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        line = f"{self._stage}  {minutes}:{seconds:02}  {self._said}"
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\x1b[K{line[:width]}")
        sys.stderr.flush()

    def _listen(self) -> None:
        """Keep the last whole line the agent printed."""
        rest = b""
        try:
            for piece in self._daemon.pieces(
                path("steps", self._step, "logs"), {"follow": True, "offset": -RECENT_OUTPUT}
            ):
                lines = (rest + piece).split(b"\n")
                rest = lines[-1][-RECENT_OUTPUT:]
                said = [line for line in lines[:-1] if line.strip()]
                if said:
                    self._said = clean(said[-1][-RECENT_OUTPUT:].decode("utf-8", "replace")).strip()
        except CodencerError:
            self._said = ""
