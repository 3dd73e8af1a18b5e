"""Which dialect an address belongs to; whatever stands before the vendor's own path does not matter."""

from dataclasses import dataclass

from codencer.testing.model_server.dialects.anthropic import Anthropic
from codencer.testing.model_server.dialects.chat import Chat
from codencer.testing.model_server.dialects.dialect import Dialect
from codencer.testing.model_server.dialects.gemini import Gemini
from codencer.testing.model_server.dialects.responses import Responses


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A dialect, and what the address itself says."""

    dialect: Dialect
    model: str = ""
    stream: bool = False


def find(path: str) -> Asked | None:
    """The dialect of a path without its query, if it has one."""
    if path.endswith("/messages"):
        return Asked(dialect=Anthropic())
    if path.endswith("/chat/completions"):
        return Asked(dialect=Chat())
    if path.endswith("/responses"):
        return Asked(dialect=Responses())
    model, _, method = path.rpartition("/")[2].partition(":")
    if method in ("generateContent", "streamGenerateContent"):
        return Asked(dialect=Gemini(), model=model, stream=method.startswith("stream"))
    return None
