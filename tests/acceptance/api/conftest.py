"""Requests to the shared daemon as a browser, a script or an attacker would send them."""

import http.client
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ASK_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The machine name in a problem document, which every refusal must be."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.json["status"] == self.status
        assert self.json["detail"]
        return str(self.json["code"])


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ASK_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ASK_SECONDS)
        self.sock.connect(self._path)


Ask = Callable[..., Answer]


def _ask(connection: http.client.HTTPConnection, method: str, path: str, **more: Any) -> Answer:
    body, headers = more.get("body"), dict(more.get("headers", {}))
    if isinstance(body, dict | list):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = Answer(
        response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    )
    connection.close()
    return answer


@pytest.fixture
def instance(shared: Any) -> dict[str, Any]:
    found: dict[str, Any] = shared.json("instance")
    return found


@pytest.fixture
def unix(instance: dict[str, Any]) -> Ask:
    """Ask over the Unix socket."""
    return lambda method, path, **more: _ask(UnixConnection(instance["socket"]), method, path, **more)


@pytest.fixture
def token(instance: dict[str, Any]) -> str:
    return Path(instance["token_file"]).read_text().strip()


@pytest.fixture
def tcp(instance: dict[str, Any], token: str) -> Ask:
    """Ask over TCP with the token; `headers` may replace or (None) drop any header."""

    def ask(method: str, path: str, **more: Any) -> Answer:
        given = {"Authorization": f"Bearer {token}"} | more.pop("headers", {})
        headers = {name: value for name, value in given.items() if value is not None}
        connection = http.client.HTTPConnection("127.0.0.1", instance["port"], timeout=ASK_SECONDS)
        return _ask(connection, method, path, headers=headers, **more)

    return ask
