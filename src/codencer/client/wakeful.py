"""Reading from a socket that a signal interrupts at once, however close before the read it came.

Python looks for signals and then blocks in the read. One that comes between the two is noticed only with
the next byte, which may be hours away: a person would have to press ^C twice. So signals are made
something to read (`signal.set_wakeup_fd`), and both are waited for.
"""

import select
import signal
import socket
import time
from typing import Any


class WakefulReader(socket.SocketIO):
    """The raw reading end of a connection; the time-out of the connection bounds each read.

    Only the main thread is told of signals, and only one reader at a time; every other one just reads.
    """

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection, "r")
        self._connection = connection
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._there.setblocking(False)
        self._told = _tell(self._there)

    def close(self) -> None:
        if self._told:
            signal.set_wakeup_fd(-1)
            self._told = False
        self._here.close()
        self._there.close()
        super().close()

    def readinto(self, buffer: Any, /) -> int | None:
        if self._told:
            self._wait()
        return super().readinto(buffer)

    def _wait(self) -> None:
        timeout = self._connection.gettimeout()
        deadline = None if timeout is None else time.monotonic() + timeout
        ready = select.poll()
        ready.register(self._connection, select.POLLIN)
        ready.register(self._here, select.POLLIN)
        while True:
            left = None if deadline is None else max(0, deadline - time.monotonic()) * 1000
            found = {handle for handle, _ in ready.poll(left)}
            if not found:
                raise TimeoutError("nothing arrived in the time given")
            if found != {self._here.fileno()}:
                return
            # The handler of the signal runs, and maybe raises, before this is waited for again.
            self._here.recv(4096)


def _tell(end: socket.socket) -> bool:
    """Have every signal write a byte there, unless this is not the main thread or another wants them."""
    try:
        before = signal.set_wakeup_fd(end.fileno(), warn_on_full_buffer=False)
    except ValueError:
        return False
    if before != -1:
        signal.set_wakeup_fd(before)
    return before == -1
