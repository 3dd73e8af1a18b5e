"""JSON objects, one a line, out of pushed bytes that may be cut anywhere; and careful looks into them.

Memory stays bounded: of a line that is too long only the beginning is kept, which is no JSON. Every
look returns what it was asked for or nothing, whatever an agent wrote there.
"""

import json
import math
from collections.abc import Iterator

from codencer.adapters.lines import LineReader

LONGEST_LINE = 4 * 1024 * 1024
"""Bytes; agents put whole files into one line, and cut what their tools print long before this."""

Object = dict[str, object]


class ObjectReader:
    """Yields the objects of an output; a line that is none is left out, it stands in the raw output."""

    def __init__(self, limit: int = LONGEST_LINE) -> None:
        self._lines = LineReader(limit)

    def feed(self, data: bytes) -> Iterator[Object]:
        """The objects of the lines that `data` completes."""
        return filter(None, map(parsed, self._lines.feed(data)))

    def flush(self) -> Object:
        """The object of a line begun and not ended; empty if there is none."""
        return parsed(self._lines.flush())


def parsed(text: str) -> Object:
    """The JSON object that a text is, empty for any other text."""
    try:
        value = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def look(value: object, *keys: str) -> object:
    """What lies at a path of keys, None where there is no such path."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text_at(value: object, *keys: str) -> str:
    found = look(value, *keys)
    return found if isinstance(found, str) else ""


def count_at(value: object, *keys: str) -> int | None:
    """A whole number that is not negative, such as a count of tokens."""
    found = look(value, *keys)
    if isinstance(found, float) and math.isfinite(found):
        found = int(found)
    return found if type(found) is int and 0 <= found < 2**63 else None


def microusd_at(value: object, *keys: str) -> int | None:
    """Millionths of a dollar, from dollars."""
    found = look(value, *keys)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 1e9:
        return None
    return round(found * 1_000_000)
