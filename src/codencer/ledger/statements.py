"""The SQL files of this room, as statements by name.

A file is a sequence of blocks that begin with `-- name: NAME`. A query block holds one
statement; a projection block holds any number, executed in order.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import apsw

_HERE = Path(__file__).parent
_BLOCK = re.compile(r"^-- name: (\S+)$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)


def split(text: str) -> tuple[str, ...]:
    """Return the statements of `text`, without comments and empty ones."""
    found: list[str] = []
    pending = ""
    for line in _COMMENT.sub("", text).splitlines():
        pending = f"{pending}\n{line}".strip()
        if pending and apsw.complete(pending):
            found.append(pending)
            pending = ""
    if pending:
        raise ValueError(f"an SQL statement has no end: {pending[:60]!r}")
    return tuple(found)


def blocks(text: str) -> dict[str, tuple[str, ...]]:
    """Return the statements of each named block."""
    _, *parts = _BLOCK.split(text)
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError("two SQL blocks have the same name")
    return {name: split(body) for name, body in zip(names, bodies, strict=True)}


def _single(statements: tuple[str, ...]) -> str:
    (statement,) = statements
    return statement


QUERIES: Mapping[str, str] = {
    name: _single(statements)
    for name, statements in blocks((_HERE / "queries.sql").read_text("utf-8")).items()
}
PROJECTIONS: Mapping[str, tuple[str, ...]] = blocks((_HERE / "projections.sql").read_text("utf-8"))
