"""HTTP over the daemon's Unix socket, as any planner could speak it: requests, and the event stream.

A request is answered, refused, or unanswered; of an unanswered one nobody knows whether it took
effect, and who cares repeats it.
"""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SECONDS = 30.0


class Unanswered(Exception):
    """There is no daemon, or it went away, or it had a fault of its own."""


class Refused(Exception):
    """The daemon said no."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said}")
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self._path)


class Faces:
    """The HTTP face of whichever daemon serves the repository now."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer.

        Raises:
            Refused, Unanswered.
        """
        try:
            connection = self._connect()
            data = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v1/{path}", data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            status, said = response.status, response.read()
            connection.close()
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise Unanswered(repr(problem)) from problem
        if status >= 500:
            raise Unanswered(f"{status}: {said.decode()}")
        if status >= 400:
            raise Refused(status, said.decode())
        return json.loads(said)

    def get(self, path: str) -> Any:
        """Ask until there is an answer, for a while: a daemon may be just starting."""
        patience = time.monotonic() + SECONDS
        while True:
            try:
                return self.ask("GET", path)
            except Unanswered:
                if time.monotonic() > patience:
                    raise
                time.sleep(0.1)

    def events(self, after: int) -> Iterator[dict[str, Any]]:
        """Every event behind that one, until the daemon goes away (then `Unanswered`)."""
        try:
            connection = self._connect()
            connection.request("GET", "/api/v1/events", headers={"Last-Event-ID": str(after)})
            response = connection.getresponse()
            assert connection.sock is not None or response.fp is not None
            while line := response.readline():
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise Unanswered(repr(problem)) from problem
        raise Unanswered("the stream ended")

    def _connect(self) -> _Connection:
        described = json.loads((self._state / "daemon.json").read_bytes())
        return _Connection(described["socket"])
