"""The lines that a patch adds, read from the file in bounded memory.

A hunk says how many lines it has, and that is believed, not what a line looks like: the content of a
file may look like the header of another one.
"""

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final, NamedTuple

from codencer.globs import quote_path, unquote_path

PIECE_BYTES: Final = 64 * 1024
"""Of a line that is longer, each piece stands for itself, with the end of the one before in front."""
OVERLAP_BYTES: Final = 256
_HUNK: Final = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class TooMuch(Exception):
    """The patch is longer than the caller wants to read."""


class Added(NamedTuple):
    """A line, or a piece of one, without its newline; `line` is its number in the new file."""

    path: str
    line: int
    text: bytes


def added_lines(file: BinaryIO, limit: int) -> Iterator[Added]:
    """Yield what the patch in `file` adds, file by file.

    Raises:
        TooMuch: it has more than `limit` bytes; what came before was yielded.
    """
    path, old, new, line = "", 0, 0, 0
    for text in _lines(file, limit):
        if old > 0 or new > 0:
            mark = text[:1]
            if mark == b"+":
                new -= 1
                yield from (Added(path, line, piece) for piece in _pieces(text[1:]))
                line += 1
            elif mark == b"-":
                old -= 1
            elif mark != b"\\":
                old, new, line = old - 1, new - 1, line + 1
        elif text.startswith(b"+++ "):
            path = _path(text[4:])
        elif match := _HUNK.match(text):
            old, line, new = int(match[1] or 1), int(match[2]), int(match[3] or 1)


def _lines(file: BinaryIO, limit: int) -> Iterator[bytes]:
    read = 0
    while text := file.readline(limit - read + 1):
        read += len(text)
        if read > limit:
            raise TooMuch
        yield text.removesuffix(b"\n")


def _pieces(text: bytes) -> Sequence[bytes]:
    if len(text) <= PIECE_BYTES:
        return (text,)
    starts = range(0, len(text), PIECE_BYTES)
    return [text[max(0, start - OVERLAP_BYTES) : start + PIECE_BYTES] for start in starts]


def _path(name: bytes) -> str:
    """The path of a `+++` line, as it stands in the list of changed files."""
    # Git ends a name that has spaces in it with a tab.
    text = name.removesuffix(b"\t").decode("utf-8", "surrogateescape")
    return quote_path(unquote_path(text).removeprefix(b"b/"))
