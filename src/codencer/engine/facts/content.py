"""What the added lines of a patch hold: credentials, and marks of a merge that nobody finished.

The one costly part of the facts, and only done when the policy asks. A patch that is longer than what
is read makes the facts unknown.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Final

from codencer.engine.facts.patch import Added, TooMuch, added_lines
from codencer.engine.facts.secrets import secrets_in

LONGEST_PATCH: Final = 16 * 1024 * 1024
"""Bytes, of which some millions are read in a second, on a thread of its own."""
BLOCK_BYTES: Final = 64 * 1024
MOST_FOUND: Final = 100
_CONFLICT: Final = re.compile(rb"^(?:<{7}|>{7}|\|{7})(?: |$)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Content:
    """Places as `path:line`, with the rule; at most `MOST_FOUND` of each kind."""

    secrets: tuple[str, ...]
    conflict_markers: tuple[str, ...]


def read_content(patch: Path) -> Content | None:
    """What the added lines of a patch hold; None when it is too long to be read."""
    secrets: list[str] = []
    marks: list[str] = []
    try:
        with patch.open("rb") as file:
            for block in _blocks(added_lines(file, LONGEST_PATCH)):
                _look(block, secrets, marks)
    except TooMuch:
        return None
    return Content(secrets=_first(secrets), conflict_markers=_first(marks))


def _first(found: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:MOST_FOUND]


def _blocks(lines: Iterator[Added]) -> Iterator[list[Added]]:
    block: list[Added] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line.text) + 1
        if size > BLOCK_BYTES:
            yield block
            block, size = [], 0
    yield block


def _look(block: list[Added], secrets: list[str], marks: list[str]) -> None:
    text = b"\n".join(line.text for line in block)
    starts = list(accumulate((len(line.text) + 1 for line in block), initial=0))

    def place(at: int) -> str:
        line = block[bisect_right(starts, at) - 1]
        return f"{line.path}:{line.line}"

    if len(secrets) < MOST_FOUND:
        secrets += sorted(
            {f"{place(at)} ({name})" for name, at in islice(secrets_in(text), MOST_FOUND)}, key=_order
        )
    if len(marks) < MOST_FOUND:
        marks += (place(match.start()) for match in islice(_CONFLICT.finditer(text), MOST_FOUND))


def _order(finding: str) -> tuple[str, int]:
    """By path, then by line."""
    path, _, rest = finding.rpartition(" (")[0].rpartition(":")
    return path, int(rest)
