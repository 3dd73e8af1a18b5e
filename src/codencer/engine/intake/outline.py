"""What a document is made of: plain values, the line of every key, and how large it may grow.

A document is bounded before it can grow: its bytes, its depth, and its nodes with every
alias counted as often as it is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from codencer.errors import TooLarge

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 100_000
LONGEST_KEY = 128
DEEPEST_PATH = 4
"""Levels whose lines are kept; no key of a task lies deeper."""


@dataclass(frozen=True)
class Document:
    """`lines` maps a dotted path (`validations.0.name`) to the line, from 1, of that key or item."""

    value: object
    lines: Mapping[str, int] = field(default_factory=dict)

    def line(self, path: str) -> int | None:
        """The line of a path, or of the nearest thing around it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path.rpartition(".")[0]
        return self.lines.get("")


class Outline:
    """Where things stand in a document that is being built, and how large it may still grow."""

    def __init__(self) -> None:
        self.nodes = 0
        self.lines: dict[str, int] = {}

    def spend(self, line: int, depth: int, nodes: int = 1) -> None:
        """Count values at a depth.

        Raises:
            TooLarge: there are too many, or they are nested too deeply.
        """
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise TooLarge(f"{line}: the document has more than {MAX_NODES} values")
        if depth > MAX_DEPTH:
            raise TooLarge(f"{line}: the document is nested more than {MAX_DEPTH} levels deep")

    def enter(self, path: str, key: str | int, line: int, depth: int) -> str:
        """Return the dotted path of something inside `path`, and remember its line.

        Raises:
            TooLarge: a key that long is not one of ours, and would be repeated in every path below.
        """
        if isinstance(key, str) and len(key) > LONGEST_KEY:
            raise TooLarge(f"{line}: a key is longer than {LONGEST_KEY} characters")
        if depth > DEEPEST_PATH:
            return path
        inner = f"{path}.{key}" if path else str(key)
        self.lines.setdefault(inner, line)
        return inner
