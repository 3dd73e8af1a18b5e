"""Who may speak to the daemon: the guard in front of every request, as bare ASGI.

The Unix socket is protected by its file mode and asks nothing more. Over TCP each request needs the
token, must name this very listener as its host (a rebound DNS name does not), and may not come from
a web page of another origin. There is no CORS: no page of a browser is ever allowed in.
"""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from codencer import API_VERSION
from codencer.api.problems import problem
from codencer.errors import CodencerError, Forbidden, MalformedInput, Unauthorized

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

VERSION_HEADER = (b"codencer-api-version", str(API_VERSION).encode())
PREFIX = f"/api/v{API_VERSION}"
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, kw_only=True)
class Access:
    """What the TCP listener asks for: `port` is its own, `token` the instance's secret."""

    port: int
    token: str = field(repr=False)

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset(f"{name}:{self.port}" for name in LOOPBACK_NAMES)

    def check(self, headers: dict[str, str]) -> None:
        """Let a TCP request in.

        Raises:
            Forbidden: it names another host, or comes from a web page of another origin.
            Unauthorized: it does not carry the token.
        """
        if headers.get("host", "").lower() not in self.hosts:
            raise Forbidden("the Host header does not name this daemon's own address")
        origin = headers.get("origin")
        if origin is not None and origin.lower().removeprefix("http://") not in self.hosts:
            raise Forbidden("requests from web pages of other origins are refused")
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), self.token.encode()):
            raise Unauthorized(
                "this listener needs `Authorization: Bearer <token>`; "
                "the token is in the file that `codencer instance` names"
            )


class Guard:
    """Lets a request through to `app`, or answers it with a problem document."""

    def __init__(self, app: App, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} here")

        async def stamped(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), VERSION_HEADER]
            await send(message)

        try:
            headers = _single(scope["headers"])
            if not is_local(scope):
                self._access.check(headers)
            _check_media_type(scope["method"], headers)
        except CodencerError as error:
            await problem(error)(scope, receive, stamped)
            return
        # Addresses such as RUN%2FSTEP are one path segment: routing sees the path as it was sent.
        await self._app({**scope, "path": scope["raw_path"].decode("ascii")}, receive, stamped)


def is_local(scope: Scope) -> bool:
    """Whether a request came over the Unix socket (whose address has no port)."""
    server = scope.get("server")
    return server is not None and server[1] is None


def actor(request: Request) -> str:
    """Who is asking, as the record will name them."""
    peer = request.scope.get("state", {}).get("peer")
    if not is_local(request.scope) or peer is None:
        return "token"
    return f"uid:{peer.uid}"


def _single(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in pairs:
        key = name.decode("latin-1")
        if key in headers and key in ("host", "origin", "authorization", "content-type"):
            raise MalformedInput(f"the header {key} is given twice")
        headers[key] = value.decode("latin-1")
    return headers


def _check_media_type(method: str, headers: dict[str, str]) -> None:
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if (has_body or media_type) and method not in ("GET", "HEAD") and media_type != "application/json":
        raise MalformedInput("a body must be sent as Content-Type: application/json")
