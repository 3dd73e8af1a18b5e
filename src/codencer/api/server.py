"""Listening: two sockets bound by us, and a uvicorn that sleeps while nobody asks.

The Unix socket is for this user alone (0600 from the moment it exists); TCP is loopback only. uvicorn
itself wakes ten times a second to look whether it should end: here it waits for an event instead.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from codencer.api.access import Guard
from codencer.errors import Infrastructure, InvalidInput, StorageFailed

STOP_SECONDS = 5
"""How long answers under way may take once the daemon stops; streams have been ended by then."""
BACKLOG = 128


@dataclass(frozen=True, kw_only=True)
class Peer:
    """The process at the other end of a Unix socket, as the kernel knows it."""

    pid: int
    uid: int


class PeerProtocol(H11Protocol):
    """HTTP/1.1 that tells the application who is at the other end (`scope["state"]["peer"]`)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family == socket.AF_UNIX:
            data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            pid, uid, _ = struct.unpack("3i", data)
            self.app_state = {**self.app_state, "peer": Peer(pid=pid, uid=uid)}


class Server(uvicorn.Server):
    """Serves until `stop`; `listening` is awaited as soon as requests are accepted."""

    def __init__(self, app: Guard, listening: Callable[[], Awaitable[None]]) -> None:
        settings: dict[str, Any] = {
            "http": PeerProtocol,
            "ws": "none",
            "loop": "asyncio",
            "lifespan": "off",
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "date_header": False,
            "proxy_headers": False,
            "timeout_graceful_shutdown": STOP_SECONDS,
        }
        super().__init__(uvicorn.Config(app, **settings))
        self._listening = listening
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Accept nothing more, finish what is under way, and return from `serve`."""
        self.should_exit = True
        self._stop.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await self._listening()

    async def main_loop(self) -> None:
        self.server_state.default_headers = self.config.encoded_headers
        await self._stop.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the daemon."""
        yield


def bind_unix(path: Path) -> socket.socket:
    """Bind the socket of this instance, replacing one that a crash left behind.

    Raises:
        StorageFailed: the folder cannot be written.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            listener.bind(os.fspath(path))
        finally:
            os.umask(before)
    except OSError as problem:
        listener.close()
        raise StorageFailed(f"the socket {path} cannot be made: {problem.strerror}") from problem
    return listener


def bind_tcp(host: str, port: int, *, insist: bool = True) -> socket.socket:
    """Bind and listen on a loopback address.

    Args:
        insist: refuse when the port is in use; else take a free one.

    Raises:
        InvalidInput: the host is not a loopback address. Infrastructure: the port is in use.
    """
    address = "127.0.0.1" if host == "localhost" else host
    if not (address.startswith("127.") or address == "::1"):
        raise InvalidInput(
            f"host {host!a} is not a loopback address: the daemon listens on this machine only "
            "(127.0.0.1, ::1 or localhost)"
        )
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as problem:
        listener.close()
        if not insist:
            return bind_tcp(host, 0)
        raise Infrastructure(
            f"cannot listen on {host} port {port}: {problem.strerror}. Choose another with "
            "`codencer start --port N` or CODENCER_PORT (PORT=N make start); nothing was started"
        ) from problem
    return listener
