"""Output of a program, cut into lines that are safe to keep and to show.

Pushed bytes may be cut anywhere. Memory stays bounded whatever a program prints: of a line
that is too long only the beginning is kept. What comes out is valid Unicode without escape
sequences or other control characters, so no agent can draw on a person's terminal.
"""

import re

MAX_LINE_BYTES = 8 * 1024
"""Long enough for any message a person reads; the whole line is in the raw output anyway."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
# Bidirectional overrides reorder what a person reads, so that text says one thing and shows another.
_UNSAFE = dict.fromkeys((*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_UNSAFE_IN_TEXT = dict.fromkeys(code for code in _UNSAFE if chr(code) not in "\n\t")


def one_line(text: str) -> str:
    """Return `text` as one printable line; of a line redrawn with carriage returns, the last state."""
    if text.isprintable():
        return text
    states = [part.rstrip() for part in _ESCAPE.sub("", text).replace("\t", " ").split("\r")]
    return next((state for state in reversed(states) if state), "").translate(_UNSAFE)


def printable(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text`, which may keep its newlines and tabs."""
    return shortened(harmless(text, limit + 1).strip(), limit)


def harmless(text: str, limit: int) -> str:
    """Return the beginning of `text` as it is, without what a terminal would obey."""
    if text.isprintable():  # as nearly every line is
        return text[:limit]
    valid = text[:limit].encode("utf-8", "replace").decode("utf-8")
    return _ESCAPE.sub("", valid).translate(_UNSAFE_IN_TEXT)


def shortened(text: str, limit: int) -> str:
    """Return `text`, or its beginning with an ellipsis, in at most `limit` characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


class LineReader:
    """Collects pushed bytes into lines; blank ones are left out, indents are kept."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._line = bytearray()
        self._dropped = 0

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes."""
        *ends, rest = data.split(b"\n")
        lines = []
        if ends:
            self._take(ends[0])
            lines.append(self.flush())
            lines += [self._text(end) for end in ends[1:]]
        self._take(rest)
        return [line for line in lines if line]

    def flush(self) -> str:
        """Return the line begun and not ended, `""` if there is none, and begin a new one."""
        text = self._text(self._line, self._dropped)
        self._line.clear()
        self._dropped = 0
        return text

    def _text(self, line: bytes | bytearray, dropped: int = 0) -> str:
        dropped += max(0, len(line) - self._limit)
        text = one_line(line[: self._limit].decode("utf-8", "replace").rstrip())
        return f"{text}… ({dropped} more bytes)" if dropped else text

    def _take(self, part: bytes) -> None:
        room = self._limit - len(self._line)
        self._line += part[:room]
        self._dropped += max(0, len(part) - room)
