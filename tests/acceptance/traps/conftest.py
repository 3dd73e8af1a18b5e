"""What every trap test needs: a daemon nobody else uses, its HTTP, and a look at all that must not change."""

import http.client
import json
import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SECONDS = 30


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(place: Any, method: str, path: str, body: object = None) -> Answer:
    """Ask the daemon of a place over its Unix socket; bytes are sent as they are."""
    connection = UnixConnection(json.loads((place.state / "daemon.json").read_bytes())["socket"])
    data = body if isinstance(body, bytes | None) else json.dumps(body)
    connection.request(method, f"/api/v1/{path}", data, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = Answer(response.status, response.read())
    connection.close()
    return answer


def look(place: Any) -> dict[str, object]:
    """Everything that a refused request must leave as it is."""
    with closing(sqlite3.connect(f"file:{place.state / 'codencer.db'}?mode=ro", uri=True)) as ledger:
        head = ledger.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    folder = place.top.parent
    return {
        "ledger": head,
        "head": place.git("rev-parse", "HEAD"),
        "refs": place.git("for-each-ref"),
        "status": place.git("status", "--porcelain", "--untracked-files=all"),
        "files": sorted(str(each.relative_to(folder)) for each in folder.rglob("*")),
    }


Ask = Callable[..., Answer]
Look = Callable[[Any], dict[str, object]]


@pytest.fixture(name="ask", scope="session")
def _ask() -> Ask:
    return ask


@pytest.fixture(name="look", scope="session")
def _look() -> Look:
    return look


@pytest.fixture(scope="session")
def quiet(
    open_place: Callable[[Path, Mapping[str, str]], AbstractContextManager[Any]],
    tmp_path_factory: pytest.TempPathFactory,
    session_home: Path,
) -> Iterator[Any]:
    """A place in which nothing is going on: a daemon, and the run `r` with one completed step `done`."""
    with open_place(tmp_path_factory.mktemp("quiet"), {"code.txt": "broken\n"}) as place:
        place.json("start")
        place.json("run", "start", "r")
        task = {"goal": "simulate: write code.txt fixed", "step_id": "done", "adapter_profile": "simulation"}
        place.json("submit", "r", "--task-json", "-", "--wait", stdin=json.dumps(task))
        # The workspace is released after the step has settled.
        place.json("gc")
        yield place
