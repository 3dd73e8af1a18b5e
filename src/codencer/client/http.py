"""One HTTP/1.1 exchange over a Unix socket or loopback TCP, one connection each.

Small on purpose: `http.client` costs 20 ms of imports, a quarter of what a whole CLI verb may
take. It speaks what our daemon speaks: Content-Length, chunked, or until the end. Everything
it reads is bounded; every failure is `DaemonUnreachable`.
"""

import io
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from codencer.client.wakeful import WakefulReader
from codencer.errors import DaemonUnreachable, InvalidInput, WaitTimeout

MAX_LINE = 64 * 1024
MAX_HEADERS = 100
MAX_BODY = 256 * 1024 * 1024
"""A whole answer held in memory; logs and diffs are read in pieces instead."""
PIECE = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a daemon listens: a Unix socket path, or a host and port with a token."""

    unix: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.unix if self.unix is not None else f"http://{self.authority}"

    @property
    def authority(self) -> str:
        if self.unix is not None:
            return "localhost"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def connect(self, timeout: float | None) -> socket.socket:
        """Open a connection.

        Raises:
            DaemonUnreachable: nobody listens there.
        """
        try:
            if self.unix is None:
                return socket.create_connection((self.host, self.port), timeout)
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(timeout)
                connection.connect(self.unix)
            except BaseException:
                connection.close()
                raise
            return connection
        except OSError as problem:
            raise DaemonUnreachable(
                f"no daemon answers at {self}: {problem.strerror or problem}; `codencer start` starts one"
            ) from problem


class Response:
    """An answer whose head has been read; the body is read once, whole or in pieces."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = io.BufferedReader(WakefulReader(connection), PIECE)
        try:
            self.status, self.headers = self._head()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Response":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._connection.close()

    def wait_at_most(self, seconds: float | None) -> None:
        """Bound each further read; None waits for ever."""
        self._connection.settimeout(seconds)

    def body(self) -> bytes:
        collected = bytearray()
        for piece in self.pieces():
            collected += piece
            if len(collected) > MAX_BODY:
                raise DaemonUnreachable(f"the daemon's answer is larger than {MAX_BODY} bytes")
        return bytes(collected)

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            DaemonUnreachable: the connection broke before the end.
            WaitTimeout: nothing arrived for as long as `wait_at_most` allows.
        """
        try:
            if self.headers.get("transfer-encoding") == "chunked":
                yield from self._chunks()
            elif "content-length" in self.headers:
                yield from self._exactly(int(self.headers["content-length"]))
            else:
                while piece := self._file.read1(PIECE):
                    yield piece
        except TimeoutError as problem:
            raise WaitTimeout("the daemon said nothing in the time given") from problem
        except (OSError, ValueError) as problem:
            raise DaemonUnreachable(f"the connection to the daemon broke: {problem}") from problem

    def _exactly(self, count: int) -> Iterator[bytes]:
        while count > 0:
            piece = self._file.read1(min(count, PIECE))
            if not piece:
                raise ConnectionError("it closed in the middle of an answer")
            count -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._line().split(b";")[0], 16):
            yield from self._exactly(size)
            self._line()
        self._line()

    def _head(self) -> tuple[int, dict[str, str]]:
        try:
            status = int(self._line().split(b" ", 2)[1])
            headers: dict[str, str] = {}
            while line := self._line():
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.strip().lower()] = value.strip()
                if len(headers) > MAX_HEADERS:
                    raise ValueError("too many headers")
        except TimeoutError as problem:
            raise WaitTimeout("the daemon did not answer in the time given") from problem
        except (OSError, ValueError, IndexError) as problem:
            raise DaemonUnreachable(f"no answer that makes sense came back: {problem}") from problem
        return status, headers

    def _line(self) -> bytes:
        line = self._file.readline(MAX_LINE)
        if not line.endswith(b"\n"):
            raise ConnectionError("it closed in the middle of an answer")
        return line.rstrip(b"\r\n")


def exchange(
    endpoint: Endpoint,
    method: str,
    target: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = 60,
) -> Response:
    """Send one request and return the answer once its head is here.

    Args:
        target: path and query, already quoted.
        timeout: seconds of silence allowed; None waits for ever.

    Raises:
        DaemonUnreachable: nobody listens there, or the connection broke.
        WaitTimeout: no answer in time.
    """
    lines = [f"{method} {target} HTTP/1.1", f"Host: {endpoint.authority}", "Connection: close"]
    if endpoint.token is not None:
        lines.append(f"Authorization: Bearer {endpoint.token}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if any("\r" in line or "\n" in line or not line.isascii() for line in lines):
        raise InvalidInput("a line break or a character that is not ASCII cannot be part of an address")
    head = "\r\n".join((*lines, "", "")).encode("ascii")
    connection = endpoint.connect(timeout)
    try:
        try:
            connection.sendall(head + (body or b""))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may have answered before it read everything, as it does with a body too large
        except OSError as problem:
            raise DaemonUnreachable(f"the connection to the daemon broke: {problem}") from problem
        return Response(connection)
    except BaseException:
        connection.close()
        raise
