"""Named moments of an attempt's walk at which a test may end or halt the daemon.

A door for crash tests, and nothing else: without the environment variable CODENCER_FAILPOINT
a failpoint does nothing. With it, one moment, the Nth time it is reached, ends (`kill`) or
halts (`stop`) the process as a signal does: at once, in the middle of everything. It happens
once: the file named in the variable is made first, and where it exists everything passes.

    CODENCER_FAILPOINT="kill snapshot.taken:before 1 /tmp/once"
    CODENCER_FAILPOINT="record /tmp/reached"        (only writes down the names, a line each)
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from functools import cache

VARIABLE = "CODENCER_FAILPOINT"
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def reach(name: str) -> None:
    """Pass this moment, or end there; cheap enough for every event."""
    if (trap := _trap()) is not None:
        trap(name)


@cache
def _trap() -> Callable[[str], None] | None:
    """What the variable asks for; read when the first failpoint is reached.

    Raises:
        ValueError: it cannot be understood. A test that names no failpoint must not pass.
    """
    words = os.environ.get(VARIABLE, "").split(" ", 1)
    match words:
        case [""]:
            return None
        case ["record", path]:
            return _Record(path)
        case ["kill" | "stop" as action, rest]:
            name, nth, path = rest.split(" ", 2)
            return _Trap(name, int(nth), path, _SIGNALS[action])
    raise ValueError(f"{VARIABLE} is not understood: {words}")


class _Record:
    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def __call__(self, name: str) -> None:
        os.write(self._file, f"{name}\n".encode())


class _Trap:
    def __init__(self, name: str, nth: int, path: str, number: signal.Signals) -> None:
        self._name, self._nth, self._path, self._signal = name, nth, path, number
        self._lock = threading.Lock()
        self._seen = Counter[str]()

    def __call__(self, name: str) -> None:
        if name != self._name:
            return
        with self._lock:
            self._seen[name] += 1
            if self._seen[name] != self._nth or not self._first():
                return
        # To this thread: it must not take another step.
        signal.pthread_kill(threading.get_ident(), self._signal)

    def _first(self) -> bool:
        try:
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        return True
