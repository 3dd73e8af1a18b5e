"""Identifiers: ours (time-ordered, prefixed) and the planner's (chosen names).

Ours are a kind and a UUIDv7 (RFC 9562) in 26 characters of Crockford's base32, lower case, so they
sort by age as text and never collide. Their first characters are nearly the same for an
hour, which is why people are shown, and may type, the last ones.
"""

import os
import re
import threading
import time
from enum import StrEnum

from codencer.errors import InvalidInput

SHOWN_CHARACTERS = 8
SHORTEST_ADDRESS = 4
LONGEST_NAME = 64

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\Z")


class IdKind(StrEnum):
    STEP = "step"
    ATTEMPT = "att"
    GATE = "gate"
    ARTIFACT = "art"
    QUESTION = "qst"
    INSTANCE = "inst"


class _Clock:
    """Hands out strictly increasing (millisecond, counter) pairs within this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def tick(self) -> int:
        """60 bits: 48 of Unix milliseconds, 12 of sub-millisecond order."""
        with self._lock:
            now = time.time_ns() * 4096 // 1_000_000
            self._last = max(now, self._last + 1)
            return self._last


_clock = _Clock()


def new_id(kind: IdKind) -> str:
    """Return a fresh id such as `step_06d3…`, greater as text than any made before it here."""
    tick = _clock.tick()
    milliseconds, order = tick >> 12, tick & 0xFFF
    value = milliseconds << 80 | 0x7 << 76 | order << 64 | 0b10 << 62 | int.from_bytes(os.urandom(8)) >> 2
    digits = "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
    return f"{kind}_{digits}"


def shown(identifier: str) -> str:
    """The short form printed in tables."""
    return identifier[-SHOWN_CHARACTERS:]


def check_name(name: str, what: str) -> str:
    """Return a planner's id unchanged.

    Raises:
        InvalidInput: it is not made of letters, digits and `._-`, is too long, or starts
            with a dot or a dash.
    """
    if len(name) > LONGEST_NAME:
        raise InvalidInput(f"{what} is {len(name)} characters long; at most {LONGEST_NAME} are allowed")
    if not _NAME.match(name):
        raise InvalidInput(
            f"{what} {name!a} is not usable: letters, digits, dot, underscore and dash only, "
            "not starting with a dot or a dash"
        )
    return name
