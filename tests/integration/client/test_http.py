"""The HTTP exchange against a real socket: whole answers, pieces, and everything that can break."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codencer.client.http import Endpoint, exchange
from codencer.errors import DaemonUnreachable, InvalidInput, WaitTimeout

Serve = Callable[[bytes], Endpoint]


@pytest.fixture
def serve(short_folder: Path) -> Iterator[Serve]:
    """Answers one connection with these bytes and closes it."""
    threads: list[threading.Thread] = []
    listeners: list[socket.socket] = []

    def answer(listener: socket.socket, data: bytes) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            connection.sendall(data)

    def start(data: bytes) -> Endpoint:
        listener = socket.socket(socket.AF_UNIX)
        path = short_folder / f"{len(listeners)}.sock"
        listener.bind(str(path))
        listener.listen()
        listeners.append(listener)
        thread = threading.Thread(target=answer, args=(listener, data))
        thread.start()
        threads.append(thread)
        return Endpoint(unix=str(path))

    yield start
    for thread in threads:
        thread.join(10)
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Length: 5\r\n", b"hello"),
        (b"Transfer-Encoding: chunked\r\n", b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"),
        (b"", b"hello"),
    ],
    ids=["length", "chunked", "until the end"],
)
def test_a_whole_answer(serve: Serve, head: bytes, body: bytes) -> None:
    endpoint = serve(b"HTTP/1.1 200 OK\r\nX-Any: thing\r\n" + head + b"\r\n" + body)
    with exchange(endpoint, "GET", "/") as response:
        assert (response.status, response.headers["x-any"]) == (200, "thing")
        assert response.body() == b"hello"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut off",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 10,
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"a%d: b\r\n" % n for n in range(200)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
def test_a_broken_answer_is_unreachable(serve: Serve, answer: bytes) -> None:
    endpoint = serve(answer)
    with pytest.raises(DaemonUnreachable), exchange(endpoint, "GET", "/") as response:
        response.body()


def test_nobody_listens(short_folder: Path) -> None:
    with pytest.raises(DaemonUnreachable, match="codencer start"):
        exchange(Endpoint(unix=str(short_folder / "none.sock")), "GET", "/")


def test_silence_is_bounded(short_folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short_folder / "silent.sock"))
        listener.listen()
        with pytest.raises(WaitTimeout):
            exchange(Endpoint(unix=str(short_folder / "silent.sock")), "GET", "/", timeout=0.1)


@pytest.mark.parametrize("target", ["/x\r\nHost: evil", "/ü"])
def test_an_address_cannot_add_lines(target: str) -> None:
    with pytest.raises(InvalidInput):
        exchange(Endpoint(unix="/nowhere"), "GET", target)
