"""What an agent tells of its turn (`session/update`), as events; and what the outcome needs of it.

Words come in pieces: those of one message become one event. Unknown kinds of updates are passed over,
as the protocol asks for; nothing that an update holds can make reading it fail.
"""

from collections.abc import Iterator, Mapping

from codencer.adapters.acp.tools import Tools
from codencer.adapters.acp.usage import Usage
from codencer.adapters.acp.wire import Json, mapping, sequence, text
from codencer.adapters.lines import one_line, printable
from codencer.model.attempt import AgentEvent, AgentEventKind

LONGEST_MESSAGE = 16 * 1024
"""Characters of one event; a longer message becomes several."""
MOST_ENTRIES = 100
_LONGEST_ENTRY = 500

_WORDS = {
    "agent_message_chunk": AgentEventKind.MESSAGE,
    "agent_thought_chunk": AgentEventKind.THOUGHT,
}


class Updates:
    """`message` is the last whole message, `last_words` the last piece of one."""

    def __init__(self, usage: Usage) -> None:
        self.tools = Tools()
        self.message = ""
        self.last_words = ""
        self._usage = usage
        self._kind = AgentEventKind.MESSAGE
        self._id = ""
        self._pieces: list[str] = []
        self._length = 0

    def take(self, update: Mapping[str, object]) -> Iterator[AgentEvent]:
        """Follow one update of the turn."""
        self._usage.note(update)
        what = text(update.get("sessionUpdate"))
        if what in _WORDS:
            yield from self._words(_WORDS[what], update)
        elif what in ("tool_call", "tool_call_update"):
            yield from self.flush()
            yield from self.tools.take(update)
        elif what == "plan":
            yield from self.flush()
            yield _plan(update)

    def flush(self) -> Iterator[AgentEvent]:
        """End the message that is being said."""
        said = printable("".join(self._pieces), LONGEST_MESSAGE)
        self._pieces.clear()
        self._length = 0
        if said:
            if self._kind is AgentEventKind.MESSAGE:
                self.message = said
            yield AgentEvent(kind=self._kind, text=said)

    def _words(self, kind: AgentEventKind, update: Mapping[str, object]) -> Iterator[AgentEvent]:
        piece = text(mapping(update.get("content")).get("text"))[:LONGEST_MESSAGE]
        if not piece:
            return
        identifier = text(update.get("messageId"))
        if kind is not self._kind or identifier != self._id or self._length + len(piece) > LONGEST_MESSAGE:
            yield from self.flush()
        self._kind, self._id = kind, identifier
        self._pieces.append(piece)
        self._length += len(piece)
        if kind is AgentEventKind.MESSAGE:
            self.last_words = piece


def _plan(update: Mapping[str, object]) -> AgentEvent:
    entries = [_entry(mapping(each)) for each in sequence(update.get("entries"))[:MOST_ENTRIES]]
    return AgentEvent(kind=AgentEventKind.PLAN, text=f"{len(entries)} steps", data={"entries": entries})


def _entry(entry: Json) -> Json:
    return {
        "content": one_line(text(entry.get("content"))[:_LONGEST_ENTRY]),
        "status": one_line(text(entry.get("status"))[:100]),
    }
