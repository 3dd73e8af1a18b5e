"""JSON-RPC 2.0, one message a line, as the Agent Client Protocol frames it.

Pushed bytes may be cut anywhere, and memory stays bounded whatever an agent prints. What is no
message (a warning of some library, half a line, a list) comes out as what it is: noise.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_LINE = 32 << 20
"""Bytes; agents send updates of half a megabyte. What is longer is noise."""
_SHOWN = 500

METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32601, -32602, -32603

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Noise:
    """A line that is no message; `text` is its beginning."""

    text: str


class MessageReader:
    """Collects pushed bytes into messages; blank lines are left out."""

    def __init__(self, longest_line: int = LONGEST_LINE) -> None:
        self._longest = longest_line
        self._line = bytearray()
        self._dropping = False

    def feed(self, data: bytes) -> Iterator[Json | Noise]:
        """Yield what `data` completes, in order."""
        begin = 0
        while (end := data.find(b"\n", begin)) >= 0:
            self._take(data[begin:end])
            begin = end + 1
            message = self._message()
            if message is not None:
                yield message
        self._take(data[begin:])

    def _take(self, part: bytes) -> None:
        room = self._longest - len(self._line)
        self._dropping |= len(part) > room
        self._line += part[:room]

    def _message(self) -> Json | Noise | None:
        line, dropped = bytes(self._line), self._dropping
        self._line.clear()
        self._dropping = False
        if not line.strip():
            return None
        try:
            value = None if dropped else json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return value
        return Noise(line[:_SHOWN].decode("utf-8", "replace"))


def request(number: int, method: str, params: Json) -> bytes:
    return _line({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def result(number: object, value: Json | None) -> bytes:
    return _line({"jsonrpc": "2.0", "id": number, "result": value})


def error(number: object, code: int, message: str) -> bytes:
    return _line({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}})


def _line(message: Json) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def mapping(value: object) -> Json:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[object]:
    return value if isinstance(value, list) else []
