"""Tool calls as an agent tells of them: in pieces, under an id, and of any size.

A call becomes an event once the agent says what it does, not at its announcement, which often has a
placeholder for a title. Everything kept or shown is bounded, and nothing of it is believed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from codencer.adapters.acp.wire import Json, mapping, sequence, text
from codencer.adapters.lines import one_line, printable, shortened
from codencer.model.attempt import AgentEvent, AgentEventKind

MOST_CALLS = 1000
"""Calls that are remembered; the oldest one is forgotten for a new one."""
MOST_PATHS = 100
LONGEST_PATH = 4096
LONGEST_TITLE = 400
LONGEST_INPUT = 8 * 1024
LONGEST_RESULT = 4 * 1024

_ENDED = ("completed", "failed")


@dataclass
class Call:
    """One tool call as far as it is known."""

    id: str
    title: str = ""
    tool: str = ""
    input: Json = field(default_factory=dict)
    output: object = None
    paths: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    shown: str = ""
    told: bool = False
    ended: bool = False

    def learn(self, said: Mapping[str, object]) -> None:
        """Take in what a piece says; what it leaves out stays as it was."""
        self.title = one_line(text(said.get("title"))[: LONGEST_TITLE + 1]) or self.title
        self.tool = one_line(text(said.get("kind")) or text(said.get("name")))[:100] or self.tool
        self.input = mapping(said.get("rawInput")) or self.input
        self.output = said.get("rawOutput") or self.output
        if content := sequence(said.get("content")):
            self.edited = _paths(each for each in map(mapping, content) if each.get("type") == "diff")
            self.shown = _shown(content)
        located = _paths(map(mapping, sequence(said.get("locations"))))
        self.paths = tuple(dict.fromkeys((*(located or self.paths), *self.edited)))

    def line(self) -> str:
        """The call in one line: its title, and the command where the title does not say it."""
        command = one_line(text(self.input.get("command"))[:LONGEST_TITLE])
        title = self.title or self.tool or "a tool"
        return shortened(title if not command or command in title else f"{title}: {command}", LONGEST_TITLE)


class Tools:
    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    def take(self, said: Mapping[str, object]) -> Iterator[AgentEvent]:
        """Follow a `tool_call` or a `tool_call_update`."""
        call = self.call(said)
        status = text(said.get("status"))
        if status in ("in_progress", *_ENDED) or call.input:
            yield from self.tell(call)
        if status in _ENDED and not call.ended:
            call.ended = True
            failed = status == "failed"
            yield AgentEvent(
                kind=AgentEventKind.TOOL_RESULT,
                text=printable(call.shown or _flat(call.output), LONGEST_RESULT),
                data={"id": call.id, "failed": failed},
            )
            if not failed:
                for path in call.edited:
                    yield AgentEvent(kind=AgentEventKind.FILE_EDIT, text=path, data={"path": path})

    def call(self, said: Mapping[str, object]) -> Call:
        """The call that a piece, or a permission request, is about."""
        identifier = text(said.get("toolCallId"))[:200]
        call = self._calls.get(identifier)
        if call is None:
            call = self._calls[identifier] = Call(identifier)
            if len(self._calls) > MOST_CALLS:
                del self._calls[next(iter(self._calls))]
        call.learn(said)
        return call

    def tell(self, call: Call) -> Iterator[AgentEvent]:
        """The event of a call, the first time."""
        if not call.told:
            call.told = True
            yield AgentEvent(
                kind=AgentEventKind.TOOL_CALL,
                text=call.line(),
                data={"id": call.id, "name": call.tool, "input": _bounded(call.input)},
            )


def _paths(places: Iterator[Json]) -> tuple[str, ...]:
    """Their paths; none at all when one is missing, too long, or there are too many to list."""
    found = [text(each.get("path")) for each in places]
    whole = len(found) <= MOST_PATHS and all(
        path and len(path) <= LONGEST_PATH and path.isprintable() for path in found
    )
    return tuple(dict.fromkeys(found)) if whole else ()


def _shown(content: list[object]) -> str:
    texts = (text(mapping(mapping(each).get("content")).get("text")) for each in content)
    return "\n".join(each for each in texts if each)[: LONGEST_RESULT + 1]


def _flat(output: object) -> str:
    """What came out, as text: itself, or the text in it under one of the names in use."""
    if isinstance(output, dict):
        named = (output.get(name) for name in ("output", "content", "message", "error"))
        return next((each for each in named if isinstance(each, str)), "") or json.dumps(output)
    return text(output)


def _bounded(value: Json) -> Json:
    """Without floats, which the record does not have, and shortened when it is long."""
    written = json.dumps(value)
    if len(written) > LONGEST_INPUT:
        return {"shortened": shortened(written, LONGEST_INPUT)}
    whole: Json = json.loads(written, parse_float=str, parse_constant=str)
    return whole
