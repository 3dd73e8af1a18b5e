"""JSON to plain values, strictly after RFC 8259, with the line of every key.

Written out because the standard parser keeps no positions, lets the last of two equal keys
win, and recurses without a bound.
"""

import json
import re
from bisect import bisect_right

from codencer.engine.intake.outline import Document, Outline
from codencer.errors import MalformedInput

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS: tuple[tuple[str, bool | None], ...] = (("true", True), ("false", False), ("null", None))
_LONGEST_NUMBER = 64


def read_json(text: str) -> Document:
    """Parse one JSON document whose text was checked already."""
    scanner = _Scanner(text)
    scanner.skip()
    scanner.outline.lines[""] = scanner.line()
    value = scanner.value("", 0)
    scanner.skip()
    if scanner.at < len(text):
        raise scanner.problem("something follows the end of the document")
    return Document(value, scanner.outline.lines)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.outline = Outline()
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def line(self) -> int:
        return bisect_right(self._starts, self.at)

    def problem(self, words: str) -> MalformedInput:
        return MalformedInput(f"{self.line()}: not valid JSON: {words}")

    def skip(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def value(self, path: str, depth: int) -> object:
        self.outline.spend(self.line(), depth)
        start = self.text[self.at : self.at + 1]
        if start == "{":
            return self._object(path, depth)
        if start == "[":
            return self._array(path, depth)
        if start == '"':
            return self._string()
        for word, meaning in _WORDS:
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return meaning
        return self._number()

    def _object(self, path: str, depth: int) -> dict[str, object]:
        items: dict[str, object] = {}
        seen: dict[str, int] = {}
        while self._more(first=not seen, end="}"):
            if self.text[self.at : self.at + 1] != '"':
                raise self.problem("expected a key in double quotes")
            line = self.line()
            key = self._string()
            inner = self.outline.enter(path, key, line, depth + 1)
            if key in seen:
                raise MalformedInput(f"{line}: {inner}: the key is given twice (first in line {seen[key]})")
            seen[key] = line
            self.skip()
            if self.text[self.at : self.at + 1] != ":":
                raise self.problem("expected a colon after the key")
            self.at += 1
            self.skip()
            items[key] = self.value(inner, depth + 1)
        return items

    def _array(self, path: str, depth: int) -> list[object]:
        items: list[object] = []
        while self._more(first=not items, end="]"):
            inner = self.outline.enter(path, len(items), self.line(), depth + 1)
            items.append(self.value(inner, depth + 1))
        return items

    def _more(self, *, first: bool, end: str) -> bool:
        """Step over what stands before the next item; False when `end` was stepped over."""
        if first:
            self.at += 1
        self.skip()
        found = self.text[self.at : self.at + 1]
        if found == end:
            self.at += 1
            return False
        if not first:
            if found != ",":
                raise self.problem(f"expected a comma or {end}")
            self.at += 1
            self.skip()
        return True

    def _string(self) -> str:
        found = _STRING.match(self.text, self.at)
        if found is None:
            raise self.problem("a string is not closed on its line, or holds a control character")
        try:
            value = json.loads(found[0])
        except json.JSONDecodeError as problem:
            raise self.problem(problem.msg) from problem
        self.at = found.end()
        return str(value)

    def _number(self) -> object:
        found = _NUMBER.match(self.text, self.at)
        if found is None:
            raise self.problem("expected a value")
        if len(found[0]) > _LONGEST_NUMBER:
            raise self.problem("the number is too long")
        self.at = found.end()
        return int(found[0]) if found[1] is None and found[2] is None else float(found[0])
