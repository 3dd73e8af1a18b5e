"""Starts many daemons quickly: a program that imports everything once, and forks for each one.

Run as `nursery.py SOCKET` by the fixtures; it ends with its standard input. Who connects sends a
line `{"cwd": …, "env": {…}, "log": …}` and reads lines about the daemon, which is a process of its
own running the real `main`: its pid, what it says when it is ready, each time it is halted by a
signal, and how it ended.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from typing import Any

from codencer.daemon.main import main


def tell(connection: socket.socket, word: dict[str, Any]) -> None:
    connection.sendall(json.dumps(word).encode() + b"\n")


def keep(connection: socket.socket) -> None:
    """Start one daemon and report on it until it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked = b""
    while not asked.endswith(b"\n"):
        asked += connection.recv(65536)
    request = json.loads(asked)
    pid = os.fork()
    if pid == 0:
        become(connection, request)
    tell(connection, {"pid": pid})
    threading.Thread(target=end_with, args=(connection, pid), daemon=True).start()
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            tell(connection, {"halted": os.WSTOPSIG(status)})
            continue
        tell(connection, {"ended": os.waitstatus_to_exitcode(status)})
        return


def end_with(connection: socket.socket, pid: int) -> None:
    """Kill the daemon when whoever asked for it is gone."""
    if not connection.recv(1):
        os.kill(pid, signal.SIGKILL)


def become(connection: socket.socket, request: dict[str, Any]) -> None:
    """Turn this process into the daemon."""
    code = 70
    try:
        os.setsid()
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDWR)
        for target, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, target)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        code = main(["--ready-fd", str(connection.detach())])
    except BaseException:  # noqa: BLE001  (nobody above would print it)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def serve(path: str) -> None:
    gc.freeze()  # or every daemon would copy the pages of all that was imported
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who keeps a daemon is not waited for
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(128)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                keep(connection)
                os._exit(0)
            connection.close()


if __name__ == "__main__":
    serve(sys.argv[1])
