"""YAML to plain values, from the parser's events, with the core schema of YAML 1.2.

Only null, true, false, whole and decimal numbers and text exist: `no` and `2024-01-01` are
text, as people expect. Keys are always text. Aliases work, and count as what they repeat.
See https://yaml.org/spec/1.2.2/#103-core-schema.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from codencer.engine.intake.outline import Document, Outline
from codencer.errors import MalformedInput

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}\Z")
_BASED = re.compile(r"0(?:o[0-7]{1,18}|x[0-9a-fA-F]{1,15})\Z")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?\Z|[-+]?\.(?:inf|nan)\Z")
_LONGEST_NUMBER = 64


@dataclass
class _Anchor:
    value: object
    nodes: int
    depth: int


@dataclass
class _Builder:
    """Consumes events in order; recursion is bounded by the budget."""

    events: Iterator[Any]
    outline: Outline = field(default_factory=Outline)
    anchors: dict[str, _Anchor] = field(default_factory=dict)
    deepest: int = 0

    def build(self, event: Any, path: str, depth: int) -> object:
        line = event.start_mark.line + 1
        self.deepest = max(self.deepest, depth)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line, depth)
        if event.tag not in (None, "!", "tag:yaml.org,2002:str") or (
            event.tag and not isinstance(event, yaml.ScalarEvent)
        ):
            raise MalformedInput(f"{line}: tags such as {event.tag!a} are not allowed")
        before, outer = self.outline.nodes, self.deepest
        self.outline.spend(line, depth)
        self.deepest = depth
        value = self._value(event, path, depth)
        if event.anchor is not None:
            nodes = self.outline.nodes - before
            self.anchors[event.anchor] = _Anchor(value, nodes, self.deepest - depth)
        self.deepest = max(self.deepest, outer)
        return value

    def _value(self, event: Any, path: str, depth: int) -> object:
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path, depth)
        return self._mapping(path, depth)

    def _alias(self, event: Any, line: int, depth: int) -> object:
        anchor = self.anchors.get(event.anchor)
        if anchor is None:
            raise MalformedInput(f"{line}: the alias *{event.anchor} names no finished anchor before it")
        self.outline.spend(line, depth + anchor.depth, anchor.nodes)
        self.deepest = max(self.deepest, depth + anchor.depth)
        return anchor.value

    def _sequence(self, path: str, depth: int) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            inner = self.outline.enter(path, len(items), event.start_mark.line + 1, depth + 1)
            items.append(self.build(event, inner, depth + 1))
        return items

    def _mapping(self, path: str, depth: int) -> dict[str, object]:
        items: dict[str, object] = {}
        seen: dict[str, int] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                raise MalformedInput(f"{line}: a key must be plain text")
            key = event.value
            inner = self.outline.enter(path, key, line, depth + 1)
            if key in seen:
                raise MalformedInput(f"{line}: {inner}: the key is given twice (first in line {seen[key]})")
            seen[key] = line
            items[key] = self.build(next(self.events), inner, depth + 1)
        return items


def read_yaml(text: str) -> Document:
    """Parse one YAML document whose text was checked already."""
    try:
        builder = _Builder(yaml.parse(text, Loader=_LOADER))
        next(builder.events)  # the start of the stream
        if isinstance(next(builder.events), yaml.StreamEndEvent):
            raise MalformedInput("1: the document is empty")
        root = next(builder.events)
        builder.outline.lines[""] = root.start_mark.line + 1
        value = builder.build(root, "", 0)
        next(builder.events)  # the end of the document
        after = next(builder.events)
    except yaml.YAMLError as problem:
        raise MalformedInput(_explain(problem, text)) from problem
    if not isinstance(after, yaml.StreamEndEvent):
        line = after.start_mark.line + 1
        raise MalformedInput(f"{line}: a second document begins here; one file holds one task")
    return Document(value, builder.outline.lines)


def _scalar(event: Any) -> object:
    text: str = event.value
    if event.style or event.tag is not None:
        return text  # quoted, a block, or tagged as text
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    return _number(text)


def _number(text: str) -> object:
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.match(text):
        return int(text)
    if _BASED.match(text):
        return int(text, 0)
    return float(text.replace(".inf", "inf").replace(".nan", "nan")) if _DECIMAL.match(text) else text


def _explain(problem: yaml.YAMLError, text: str) -> str:
    if isinstance(problem, yaml.MarkedYAMLError) and problem.problem_mark is not None:
        words = ", ".join(part for part in (problem.context, problem.problem) if part)
        return f"{problem.problem_mark.line + 1}: not valid YAML: {words}"
    if isinstance(problem, yaml.reader.ReaderError):
        code = problem.character if isinstance(problem.character, int) else ord(problem.character[:1])
        line = max(text.find(chr(code)), 0)
        return f"{text.count(chr(10), 0, line) + 1}: the character U+{code:04X} is not allowed in YAML"
    return f"1: not valid YAML: {problem}"
