"""What an agent tells of its turn (`session/update`), as events; and what the outcome needs of it.

Words come in pieces: those of one message become one event. Unknown kinds of updates are passed over,
as the protocol asks for; nothing that an update holds can make reading it fail.
"""

from collections.abc import Iterator, Mapping

from codencer.adapters import telling
from codencer.adapters.acp.tools import Tools
from codencer.adapters.acp.usage import Usage
from codencer.adapters.acp.wire import sequence
from codencer.adapters.objects import text_at
from codencer.model.attempt import AgentEvent, AgentEventKind

LONGEST_MESSAGE = telling.LONGEST_TEXT
"""Characters of one event; a longer message becomes several."""
MOST_ENTRIES = 100

_WORDS = {"agent_message_chunk": telling.message, "agent_thought_chunk": telling.thought}


class Updates:
    """`message` is the last whole message, `last_words` the last piece of one. `broken` is what the agent
    says of its own state: one that failed says so, and then ends its turn as if it were done (codex)."""

    def __init__(self, usage: Usage) -> None:
        self.tools = Tools()
        self.message = ""
        self.last_words = ""
        self.broken = False
        self._usage = usage
        self._kind = "agent_message_chunk"
        self._id = ""
        self._pieces: list[str] = []
        self._length = 0

    def take(self, update: Mapping[str, object]) -> Iterator[AgentEvent]:
        """Follow one update of the turn."""
        self._usage.note(update)
        what = text_at(update, "sessionUpdate")
        if what in _WORDS:
            yield from self._words(what, update)
        elif what in ("tool_call", "tool_call_update"):
            yield from self.flush()
            yield from self.tools.take(update)
        elif what == "plan":
            yield from self.flush()
            yield _plan(update)
        elif status := text_at(update, "_meta", "codex", "threadStatus", "type"):
            self.broken = status == "systemError"

    def flush(self) -> Iterator[AgentEvent]:
        """End the message that is being said."""
        event = _WORDS[self._kind]("".join(self._pieces))
        self._pieces.clear()
        self._length = 0
        if event.text:
            if event.kind is AgentEventKind.MESSAGE:
                self.message = event.text
            yield event

    def _words(self, kind: str, update: Mapping[str, object]) -> Iterator[AgentEvent]:
        piece = text_at(update, "content", "text")[:LONGEST_MESSAGE]
        if not piece:
            return
        identifier = text_at(update, "messageId")
        if kind != self._kind or identifier != self._id or self._length + len(piece) > LONGEST_MESSAGE:
            yield from self.flush()
        self._kind, self._id = kind, identifier
        self._pieces.append(piece)
        self._length += len(piece)
        if _WORDS[kind] is telling.message:
            self.last_words = piece


def _plan(update: Mapping[str, object]) -> AgentEvent:
    entries = [
        {name: telling.shown(text_at(each, name)) for name in ("content", "status")}
        for each in sequence(update.get("entries"))[:MOST_ENTRIES]
    ]
    return AgentEvent(kind=AgentEventKind.PLAN, text=f"{len(entries)} steps", data={"entries": entries})
