"""Starting the daemon on demand: one exec of `codencerd`, detached, under a lock.

However many commands need it at once, one daemon comes up: whoever gets the lock looks again
before it starts one. Inside an attempt none is ever started, because it would be stopped with it.
"""

import json
import os
import select
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from codencer.client.find import answering
from codencer.client.problems import error_named
from codencer.errors import DaemonUnreachable, Forbidden
from codencer.locate import Descriptor, Repository, make_state_dir, state_dir
from codencer.locate.files import locked

MARKER = "CODENCER_LAUNCH"
"""In the environment of everything that runs inside an attempt."""
READY_SECONDS = 60.0
"""A daemon that adopts many agents takes seconds; longer means that something is wrong."""
MAX_READY_LINE = 64 * 1024
LOG_TAIL = 2000


def ensure_started(
    repository: Repository, flags: Sequence[str] = (), environ: Mapping[str, str] = os.environ
) -> tuple[Descriptor, bool]:
    """Return the repository's daemon, started if none answers, and whether it was started now.

    Args:
        flags: further arguments of `codencerd`, as `--port 8086`.

    Raises:
        Forbidden: this process runs inside an attempt.
        CodencerError: what the daemon said when it could not start.
    """
    if (found := answering(repository)) is not None:
        return found, False
    refuse_inside_attempt(environ)
    with locked(make_state_dir(repository.common_dir) / "start.lock"):
        if (found := answering(repository)) is not None:
            return found, False
        _start(repository, flags, environ)
    if (found := answering(repository)) is None:
        raise DaemonUnreachable(f"the daemon started and went away again; {_see_log(repository)}")
    return found, True


def refuse_inside_attempt(environ: Mapping[str, str]) -> None:
    if environ.get(MARKER):
        raise Forbidden(
            "no daemon can be reached, and none is started from inside an attempt, because it would be "
            "stopped with it; run the command outside, or start it there with `codencer start`"
        )


def _start(repository: Repository, flags: Sequence[str], environ: Mapping[str, str]) -> None:
    reader, writer = os.pipe()
    try:
        os.set_inheritable(writer, True)
        # -P: a package called codencer in the current folder must not be taken for ours.
        argv = [
            *(sys.executable, "-P", "-m", "codencer.daemon"),
            *("--repo", os.fspath(repository.top), "--ready-fd", str(writer), *flags),
        ]
        log = os.fspath(state_dir(repository.common_dir) / "daemon.log")
        os.posix_spawn(
            sys.executable,
            argv,
            dict(environ),
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        os.close(writer)
        writer = -1
        line = _read_line(reader)
    except OSError as problem:
        raise DaemonUnreachable(f"{sys.executable} cannot be started: {problem.strerror}") from problem
    finally:
        for descriptor in (reader, writer):
            if descriptor >= 0:
                os.close(descriptor)
    _conclude(repository, line)


def _read_line(reader: int) -> bytes:
    """What the daemon says once it listens or gives up: one line, then the end."""
    collected = b""
    deadline = time.monotonic() + READY_SECONDS
    while b"\n" not in collected and len(collected) < MAX_READY_LINE:
        readable, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise DaemonUnreachable(
                f"the daemon was started and is not ready after {READY_SECONDS:g} s; it may still come: "
                "`codencer instance` tells"
            )
        piece = os.read(reader, MAX_READY_LINE)
        if not piece:
            break
        collected += piece
    return collected


def _conclude(repository: Repository, line: bytes) -> None:
    try:
        word = json.loads(line)
    except ValueError as problem:
        raise DaemonUnreachable(f"the daemon ended before it was ready; {_see_log(repository)}") from problem
    if not word.get("ready"):
        raise error_named(str(word.get("error")), str(word.get("message")))


def _see_log(repository: Repository) -> str:
    path = state_dir(repository.common_dir) / "daemon.log"
    return f"the end of {path}:\n{tail(path)}"


def tail(path: Path, size: int = LOG_TAIL) -> str:
    """The last bytes of a text file, from the beginning of a line; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read(size).partition(b"\n")[2].decode("utf-8", "replace")
    except OSError:
        return ""
