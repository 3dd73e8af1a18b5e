"""A running daemon as its client sees it: JSON in, JSON out, events, waiting.

Every answer carries the API's major version; a different one is refused, whatever the answer.
Waiting is by event: a step is looked at again only when the daemon says that it settled.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from codencer import API_VERSION
from codencer.client.http import Endpoint, Response, exchange
from codencer.client.problems import error_from
from codencer.errors import DaemonUnreachable, IncompatibleVersion

PREFIX = f"/api/v{API_VERSION}"
VERSION_HEADER = "codencer-api-version"

Query = Mapping[str, str | int | bool | None]


def path(*parts: str) -> str:
    """Join parts of a resource path, each one quoted."""
    return "/".join((PREFIX, *(quote(part, safe="") for part in parts)))


class Daemon:
    """One daemon. `find` finds it again (or a restarted one) when a connection broke."""

    def __init__(self, endpoint: Endpoint, find: Callable[[], Endpoint] | None = None) -> None:
        self.endpoint = endpoint
        self._find = find

    def find_again(self) -> None:
        """Look the daemon up again, after a restart.

        Raises:
            DaemonUnreachable: it is not back.
        """
        if self._find is None:
            raise DaemonUnreachable(f"no daemon answers at {self.endpoint}")
        self.endpoint = self._find()

    def get(self, target: str, query: Query | None = None) -> Any:
        return self.call("GET", target, query=query)

    def post(self, target: str, body: Mapping[str, object] | None = None, **more: Any) -> Any:
        return self.call("POST", target, body=body or {}, **more)

    def call(
        self,
        method: str,
        target: str,
        *,
        query: Query | None = None,
        body: Mapping[str, object] | None = None,
        timeout: float | None = 60,
    ) -> Any:
        """Return the JSON value of an answer; errors come back as they were raised over there."""
        with self.open(method, target, query=query, body=body, timeout=timeout) as response:
            return json.loads(response.body())

    def pieces(self, target: str, query: Query | None = None) -> Iterator[bytes]:
        """Yield the bytes of a log, a diff or a file as they arrive, without end of patience."""
        with self.open("GET", target, query=query) as response:
            response.wait_at_most(None)
            yield from response.pieces()

    def open(
        self,
        method: str,
        target: str,
        *,
        query: Query | None = None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 60,
    ) -> Response:
        """Send a request; the answer is a success of our API version and its body is unread."""
        given = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in (query or {}).items()
            if value is not None
        }
        address = f"{target}?{urlencode(given)}" if given else target
        data = None if body is None else json.dumps(body).encode()
        response = exchange(self.endpoint, method, address, body=data, headers=headers, timeout=timeout)
        try:
            self._check(response)
        except BaseException:
            response.close()
            raise
        return response

    def _check(self, response: Response) -> None:
        version = response.headers.get(VERSION_HEADER)
        if version is not None and version != str(API_VERSION):
            raise IncompatibleVersion(
                f"the daemon at {self.endpoint} speaks version {version} of the API and this command "
                f"version {API_VERSION}; run `codencer stop` and then `codencer start` "
                "(agents at work go on and are picked up)"
            )
        if not 200 <= response.status < 300 or version is None:
            raise error_from(response.status, response.body())
