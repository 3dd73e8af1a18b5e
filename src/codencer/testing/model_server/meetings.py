"""Meetings: nobody is answered before all are there, which proves that they work at the same time."""

import threading
import time

PATIENCE_SECONDS = 180
MOST = 1000


class Meetings:
    """Meetings by name, each with the ids of those who came. Who comes late is let through."""

    def __init__(self) -> None:
        self._present: dict[str, set[str]] = {}
        self._complete: set[str] = set()
        self._closed = False
        self._changed = threading.Condition()

    def attend(self, meeting: str, id: str, count: int) -> None:
        """Wait until `count` different ids have come; not for ever."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._changed:
            if len(self._present) >= MOST:
                oldest = next(iter(self._present))
                del self._present[oldest]
                self._complete.discard(oldest)
            present = self._present.setdefault(meeting, set())
            present.add(id)
            if len(present) >= count:
                self._complete.add(meeting)
                self._changed.notify_all()
            while meeting not in self._complete and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return

    def held(self, meeting: str) -> bool:
        """Whether all who were expected were there at the same time."""
        with self._changed:
            return meeting in self._complete

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
