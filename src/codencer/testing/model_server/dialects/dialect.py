"""What a dialect is: reads requests, writes replies; knows nothing of HTTP or scripts' faults."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from codencer.testing.model_server.conversation import Conversation
from codencer.testing.model_server.script import Script
from codencer.testing.model_server.tools import Reply

INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS = 1234, 1000, 56

PIECE_CHARACTERS = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One event of a stream; `words` marks one that carries a part of the answer's text."""

    data: Mapping[str, Any] | str
    event: str = ""
    words: bool = False


class Dialect(Protocol):
    """One vendor's API."""

    @property
    def name(self) -> str: ...

    def read(self, body: Mapping[str, Any], *, model: str, stream: bool) -> Conversation:
        """`model` and `stream` are what the address says, for vendors that put them there."""
        ...

    def document(self, reply: Reply, conversation: Conversation, script: Script) -> Mapping[str, Any]: ...

    def pieces(self, reply: Reply, conversation: Conversation, script: Script) -> Iterator[Piece]: ...


def halves(text: str) -> Iterator[str]:
    """A text in at least two parts, none of them very long, so that there is a stream to speak of."""
    size = max(1, min(PIECE_CHARACTERS, (len(text) + 1) // 2))
    for start in range(0, len(text), size):
        yield text[start : start + size]


def new_id(prefix: str) -> str:
    return prefix + secrets.token_hex(10)
