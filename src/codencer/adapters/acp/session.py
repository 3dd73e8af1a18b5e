"""A conversation with one agent over ACP, as a state machine without any I/O.

What is said of our own accord is in `steps`; the answers to the agent's own requests are numbered in
the order in which it asked. So the same words of the agent always lead to the same words of ours, under
the same keys, and a restarted daemon comes to exactly where the one before was.
"""

from collections.abc import Iterator, Sequence

from codencer.adapters.acp import wire
from codencer.adapters.acp.requests import understood
from codencer.adapters.acp.script import Script
from codencer.adapters.acp.steps import Refused, Step, Unable, converse
from codencer.adapters.acp.turn import Turn
from codencer.adapters.acp.wire import Json, MessageReader, Noise, mapping
from codencer.model.attempt import AgentEvent, AgentOutcome, ErrorKind
from codencer.model.dialogue import Due, FileRead, FileWrite, Message, PermissionRequest
from codencer.model.launch import ExitRecord
from codencer.model.ports import Assignment
from codencer.model.step import AdapterSettings

MOST_REQUESTS = 20_000
"""Of one agent. More is no work but a flood, and each answer stays in the conversation's log."""


class AcpSession:
    """Without an assignment it is only a reader of what an agent said in such a conversation."""

    def __init__(self, settings: AdapterSettings, script: Script, assignment: Assignment | None) -> None:
        self._workspace = str(assignment.workspace) if assignment else ""
        self._reader = MessageReader()
        self._turn = Turn(settings, script)
        self.linger_seconds = script.linger_seconds
        self._steps = converse(script, assignment, self._turn)
        self._step = next(self._steps)
        self._number = 0
        self._asked: dict[str, object] = {}
        self._due: list[Due] = []
        self._say(self._step)

    @property
    def over(self) -> bool:
        return self._turn.over

    @property
    def stop_reason(self) -> str | None:
        return self._turn.stop_reason

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        return [event for message in self._reader.feed(data) for event in self._hear(message)]

    def due(self) -> Sequence[Due]:
        due, self._due = self._due, []
        return due

    def answer(self, asked: PermissionRequest, option: str | None) -> Message:
        if not any(each.id == option and each.allows for each in asked.options):
            self._turn.refused(asked)
        outcome: Json = {"outcome": "selected", "optionId": option}
        if option is None:
            outcome = {"outcome": "cancelled"}
        return Message(key=asked.key, data=wire.result(self._asked[asked.key], {"outcome": outcome}))

    def served(self, asked: FileRead | FileWrite, text: str = "") -> Message:
        value: Json = {"content": text} if isinstance(asked, FileRead) else {}
        return Message(key=asked.key, data=wire.result(self._asked[asked.key], value))

    def refused(self, asked: FileRead | FileWrite, why: str) -> Message:
        return Message(key=asked.key, data=wire.error(self._asked[asked.key], wire.INTERNAL_ERROR, why))

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        return self._turn.conclude(exit, fragment)

    def _hear(self, message: Json | Noise) -> Iterator[AgentEvent]:
        if isinstance(message, Noise):
            yield from self._turn.noise(message.text)
        elif "method" not in message:
            yield from self._answered(message)
        elif "id" in message:
            yield from self._serve(message)
        elif message["method"] == "session/update":
            yield from self._turn.take(mapping(mapping(message.get("params")).get("update")))

    def _answered(self, message: Json) -> Iterator[AgentEvent]:
        """The agent answers the step that was said last; anything else is no answer to us."""
        if self.over or message.get("id") != self._number:
            return
        try:
            if "error" in message:
                step = self._steps.throw(Refused(self._step.method, mapping(message["error"])))
            else:
                step = self._steps.send(mapping(message.get("result")))
        except StopIteration:
            yield from self._turn.last_events()  # it was the answer to the prompt
        except (Refused, Unable) as problem:
            self._turn.fail(problem.kind, problem.said)
            yield from self._turn.last_events()
        else:
            self._say(step)

    def _say(self, step: Step) -> None:
        self._step = step
        self._number += 1
        self._due.append(Message(key=step.key, data=wire.request(self._number, step.method, step.params)))

    def _serve(self, message: Json) -> Iterator[AgentEvent]:
        """The agent asks for something: it becomes due, unless there is nobody to give it to any more."""
        if self.over:
            return
        if len(self._asked) >= MOST_REQUESTS:
            self._turn.fail(ErrorKind.MALFORMED, f"it asked for more than {MOST_REQUESTS} things")
            yield from self._turn.last_events()
            return
        key = f"answer-{len(self._asked) + 1}"
        self._asked[key] = message["id"]
        wanted = understood(message, key, self._turn.updates.tools, self._workspace)
        if isinstance(wanted, PermissionRequest):
            yield from self._turn.asked(wanted, mapping(mapping(message.get("params")).get("toolCall")))
        self._due.append(wanted)
