"""The memory guard: no new attempt begins while the machine has less memory available than wanted.

It looks only when an attempt could begin; one timer, armed only while something is really held
back, looks again. What is under way is left alone.
"""

import asyncio
from collections.abc import Callable

from codencer.process.procfs import available_memory

LOOK_AGAIN_SECONDS = 2.0
"""No event tells when memory is available again."""
_MIB = 1024 * 1024


class MemoryGuard:
    """`shortage` says what is held back and why, in words; None while nothing is.

    Where the system does not tell how much memory is available, nothing is held back.
    """

    def __init__(
        self,
        floor_mb: int,
        wake: Callable[[], None],
        look: Callable[[], int | None] = available_memory,
        again_seconds: float = LOOK_AGAIN_SECONDS,
    ) -> None:
        self._floor, self._wake, self._look, self._again = floor_mb, wake, look, again_seconds
        self._timer: asyncio.TimerHandle | None = None
        self.shortage: str | None = None

    async def admits(self) -> bool:
        """Whether another attempt may begin now; if not, `wake` is called when it is worth asking again."""
        if not self._floor:
            return True
        available = await asyncio.to_thread(self._look)
        self.rest()
        if available is None or available >= self._floor * _MIB:
            return True
        self.shortage = f"waiting for memory: {available // _MIB} MiB available, {self._floor} wanted"
        self._timer = asyncio.get_running_loop().call_later(self._again, self._wake)
        return False

    def rest(self) -> None:
        """Nothing is held back any more: look no further."""
        self.shortage = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
