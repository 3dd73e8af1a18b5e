"""A signal ends a read of a client whatever the moment: ^C is never pressed in vain."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from codencer.client.http import Endpoint, exchange
from codencer.errors import WaitTimeout

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


@contextmanager
def quiet_daemon(folder: Path, patience: float = 10) -> Iterator[Endpoint]:
    """One that begins its answer and then says nothing more, and will have the client gone in time."""
    address = str(folder / "s")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(HEAD)
                connection.settimeout(patience)
                left.append(connection.recv(4096) == b"")

        left: list[bool] = []
        server = threading.Thread(target=serve)
        server.start()
        yield Endpoint(unix=address)
        server.join()
        assert left == [True], "the client was still there when the patience of the daemon was at its end"


def signal_beside(number: int) -> None:
    """Deliver a signal to another thread: a read that blocks in this one gets no EINTR.

    To Python it is the same as one that comes in the moment just before the read blocks.
    """

    def hit() -> None:
        signal.pthread_kill(threading.get_ident(), number)

    threading.Timer(0.1, hit).start()


def test_an_interrupt_just_before_a_read_ends_it(tmp_path: Path) -> None:
    with quiet_daemon(tmp_path) as endpoint, exchange(endpoint, "GET", "/") as response:
        pieces = response.pieces()
        assert next(pieces) == b"hello"
        response.wait_at_most(None)
        signal_beside(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            next(pieces)
    assert signal.set_wakeup_fd(-1) == -1


def test_a_signal_that_means_nothing_does_not_end_a_read(tmp_path: Path) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _frame: seen.append(number))
    try:
        with quiet_daemon(tmp_path) as endpoint, exchange(endpoint, "GET", "/") as response:
            pieces = response.pieces()
            assert next(pieces) == b"hello"
            response.wait_at_most(0.5)
            signal_beside(signal.SIGUSR1)
            with pytest.raises(WaitTimeout):
                next(pieces)
        assert seen == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_whoever_listens_to_signals_already_goes_on_to(tmp_path: Path) -> None:
    mine, other = socket.socketpair()
    with mine, other:
        other.setblocking(False)
        signal.set_wakeup_fd(other.fileno())
        try:
            with quiet_daemon(tmp_path) as endpoint, exchange(endpoint, "GET", "/") as response:
                assert next(response.pieces()) == b"hello"
        finally:
            assert signal.set_wakeup_fd(-1) == other.fileno()
