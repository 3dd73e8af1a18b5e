"""Tool calls as an agent tells of them: in pieces, under an id, and of any size.

A call becomes an event once the agent says what it does, not at its announcement, which often has a
placeholder for a title. Everything kept is bounded, and nothing of it is believed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from codencer.adapters import telling
from codencer.adapters.acp.wire import Json, mapping, sequence
from codencer.adapters.objects import text_at
from codencer.model.attempt import AgentEvent

MOST_CALLS = 1000
"""Calls that are remembered; the oldest one is forgotten for a new one."""
MOST_PATHS = 100
LONGEST_PATH = 4096
LONGEST_ID = 200

_ENDED = ("completed", "failed")


@dataclass
class Call:
    """One tool call as far as it is known."""

    id: str
    title: str = ""
    tool: str = ""
    input: Json = field(default_factory=dict)
    output: str = ""
    paths: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    told: bool = False
    ended: bool = False

    def learn(self, said: Mapping[str, object]) -> None:
        """Take in what a piece says; what it leaves out stays as it was."""
        self.title = text_at(said, "title")[:LONGEST_PATH] or self.title
        self.tool = telling.shown(text_at(said, "kind") or text_at(said, "name")) or self.tool
        self.input = mapping(said.get("rawInput")) or self.input
        self.output = _flat(said.get("rawOutput")) or self.output
        if content := sequence(said.get("content")):
            self.edited = _paths(each for each in content if text_at(each, "type") == "diff")
            self.output = _shown(content) or self.output
        located = _paths(sequence(said.get("locations")))
        self.paths = tuple(dict.fromkeys((*(located or self.paths), *self.edited)))

    def line(self, workspace: str = "") -> str:
        """The call in one line: its title, and the command where the title does not say it."""
        named = self.title.replace(f"{workspace}/", "") if workspace else self.title
        command, title = telling.shown(text_at(self.input, "command")), telling.shown(named) or self.tool
        title = title or "a tool"
        return telling.shown(title if not command or command in title else f"{title}: {command}")


class Tools:
    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    def take(self, said: Mapping[str, object]) -> Iterator[AgentEvent]:
        """Follow a `tool_call` or a `tool_call_update`."""
        call, status = self.call(said), text_at(said, "status")
        if status in ("in_progress", *_ENDED) or call.input:
            yield from self.tell(call)
        if status in _ENDED and not call.ended:
            call.ended = True
            yield telling.tool_result(call.id, call.output, failed=status == "failed")
            if status == "completed":
                yield from map(telling.file_edit, call.edited)

    def call(self, said: Mapping[str, object]) -> Call:
        """The call that a piece, or a permission request, is about."""
        identifier = text_at(said, "toolCallId")[:LONGEST_ID]
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
            event = telling.tool_call(call.id, call.tool, call.input)
            yield AgentEvent(kind=event.kind, text=call.line(), data=event.data)


def _paths(places: Iterable[object]) -> tuple[str, ...]:
    """Their paths; none at all when one is missing, too long, or there are too many to list."""
    found = [text_at(each, "path") for each in places]
    whole = len(found) <= MOST_PATHS and all(
        path and len(path) <= LONGEST_PATH and path.isprintable() for path in found
    )
    return tuple(dict.fromkeys(found)) if whole else ()


def _shown(content: list[object]) -> str:
    texts = (text_at(each, "content", "text")[: telling.LONGEST_OUTPUT] for each in content)
    return "\n".join(each for each in texts if each)[: telling.LONGEST_OUTPUT + 1]


def _flat(output: object) -> str:
    """What came out, as text: itself, or the text in it under one of the names in use."""
    if isinstance(output, str):
        return output[: telling.LONGEST_OUTPUT + 1]
    named = (text_at(output, name) for name in ("output", "content", "message", "error"))
    told = next((each for each in named if each), "") or (json.dumps(output) if output else "")
    return told[: telling.LONGEST_OUTPUT + 1]
