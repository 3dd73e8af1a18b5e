"""One turn of an agent: what it said and did, how it ended, and what is concluded from that.

`end_turn` is a success only if nothing else says otherwise: no error was seen, its model did answer, and
neither its last status nor its last words are such with which an agent of its kind reports a failure.
"""

from collections.abc import Iterator, Mapping

from codencer.adapters import telling
from codencer.adapters.acp.faults import kind_of
from codencer.adapters.acp.script import Script
from codencer.adapters.acp.tools import LONGEST_ID
from codencer.adapters.acp.updates import Updates
from codencer.adapters.acp.usage import Usage
from codencer.adapters.command import Conclusion, conclude
from codencer.adapters.fragment import Fragment, read_fragment
from codencer.adapters.lines import printable
from codencer.adapters.objects import text_at
from codencer.adapters.tally import LONGEST_SUMMARY
from codencer.model.attempt import AgentEvent, AgentEventKind, AgentOutcome, Ending, ErrorKind
from codencer.model.dialogue import PermissionRequest
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.step import AdapterSettings

_LONGEST_NOISE = 500

_STOPS: Mapping[str, tuple[Ending, ErrorKind, str]] = {
    "refusal": (Ending.DECLINED, ErrorKind.REFUSED, "refused to do it"),
    "max_tokens": (Ending.BROKEN, ErrorKind.LIMIT, "reached the most tokens it may use"),
    "max_turn_requests": (Ending.BROKEN, ErrorKind.LIMIT, "reached the most requests a turn may have"),
    "cancelled": (Ending.BROKEN, ErrorKind.CRASH, "gave up its turn, which nobody had cancelled"),
}


_LIMITS = frozenset(
    {ExitReason.TIMEOUT, ExitReason.IDLE_TIMEOUT, ExitReason.OUTPUT_LIMIT, ExitReason.MEMORY_LIMIT}
)


class Turn:
    def __init__(self, settings: AdapterSettings, script: Script) -> None:
        self.usage = Usage()
        self.usage.chose(settings.model)
        self.updates = Updates(self.usage)
        self.live = False
        self.stop_reason: str | None = None
        self.session: str | None = None
        self._settings, self._script = settings, script
        self._fault: tuple[ErrorKind, str] | None = None
        self._refused = ""

    @property
    def over(self) -> bool:
        return self.stop_reason is not None or self._fault is not None

    def opened(self, session: str, answer: Mapping[str, object]) -> None:
        """There is a conversation now, of this name."""
        self.session = session
        self.usage.opened(answer)

    def began(self) -> None:
        """The task is given: what comes now is of this turn, and not of an earlier one that was loaded."""
        self.live = True

    def take(self, update: Mapping[str, object]) -> Iterator[AgentEvent]:
        if self.live and not self.over:
            yield from self.updates.take(update)

    def noise(self, words: str) -> Iterator[AgentEvent]:
        """A line that is no message, as libraries print them: kept, and of no consequence."""
        if said := printable(words, _LONGEST_NOISE):
            yield from self.updates.flush()
            yield telling.message(said)

    def asked(self, request: PermissionRequest, tool_call: Mapping[str, object]) -> Iterator[AgentEvent]:
        """The agent asks to be allowed something."""
        yield from self.updates.flush()
        yield from self.updates.tools.tell(self.updates.tools.call(tool_call))
        options = [{"id": each.id, "name": each.name, "kind": each.kind} for each in request.options]
        data: dict[str, object] = {"id": text_at(tool_call, "toolCallId")[:LONGEST_ID], "options": options}
        yield AgentEvent(kind=AgentEventKind.PERMISSION, text=request.text, data=data)

    def refused(self, request: PermissionRequest) -> None:
        """It was not allowed this. Some agents give up then, and call that cancelled."""
        self._refused = self._refused or request.text

    def ended(self, response: Mapping[str, object]) -> None:
        """The agent answered the prompt."""
        self.usage.ended(response)
        self.stop_reason = telling.shown(text_at(response, "stopReason"))
        reports = self.updates.last_words.startswith(self._script.error_words or ("\0",))
        if self.stop_reason == "end_turn" and (reports or self.updates.broken):
            words = " ".join(printable(self.updates.last_words, LONGEST_SUMMARY).split())
            self.fail(kind_of(words), words or "it did not say why")
        elif self.stop_reason == "end_turn" and self.usage.unanswered:
            self.fail(ErrorKind.MALFORMED, "it ended its turn, but no answer of its model came to an end")

    def fail(self, kind: ErrorKind, said: str) -> None:
        """There is no going on; the first reason is the one that counts."""
        self._fault = self._fault or (kind, said)

    def last_events(self) -> Iterator[AgentEvent]:
        """What the end of the turn adds to the transcript."""
        yield from self.updates.flush()
        if (event := self.usage.event()) is not None:
            yield event
        if self._fault is not None:
            kind, said = self._fault
            yield telling.failure(kind, said, final=True)

    def conclude(self, exit: ExitRecord | None, fragment: bytes | None) -> AgentOutcome:
        said = read_fragment(fragment)
        ending, kind, error = self._judge(exit, said)
        return AgentOutcome(
            ending=ending,
            summary=said.summary or printable(self.updates.message, LONGEST_SUMMARY) or error,
            error_kind=kind,
            error=error,
            session_id=self.session,
            model=self.usage.model,
            input_tokens=self.usage.input_tokens,
            output_tokens=self.usage.output_tokens,
            cost_microusd=self.usage.cost_microusd,
            questions=said.questions,
            warnings=said.warnings,
            needs_human_decision=said.needs_human_decision,
        )

    def _judge(self, exit: ExitRecord | None, said: Fragment) -> Conclusion:
        name = self._settings.name
        if exit is None or exit.reason is ExitReason.NOT_STARTED:
            return conclude(self._settings, exit, said)
        if exit.reason in _LIMITS and self.stop_reason in (None, "cancelled"):
            # Told to end, some still answer the prompt: that they were cancelled, or with an error.
            return conclude(self._settings, exit, said)
        if self._fault is not None:
            kind, words = self._fault
            return Ending.BROKEN, kind, f"{name}: {words}"
        if self.stop_reason is not None:
            # How its process went afterwards does not matter: some have to be stopped even then.
            return self._judge_end(name, said)
        ending, kind, error = conclude(self._settings, exit, said)
        if ending is Ending.SUCCEEDED:
            return Ending.BROKEN, ErrorKind.CRASH, f"{name} ended in the middle of the conversation"
        return ending, kind, error

    def _judge_end(self, name: str, said: Fragment) -> Conclusion:
        """How a turn ended that the agent itself has ended."""
        stop = self.stop_reason or ""
        if stop == "cancelled" and self._refused:
            return (
                Ending.DECLINED,
                ErrorKind.PERMISSION_DENIED,
                f"{name} gave up: not allowed: {self._refused}",
            )
        if stop in _STOPS:
            ending, kind, words = _STOPS[stop]
            return ending, kind, f"{name} {words}"
        if stop != "end_turn":
            words = f"{name} ended its turn for a reason that is not known: {stop!a}"
            return Ending.BROKEN, ErrorKind.MALFORMED, words
        if said.needs_human_decision:
            asked = f": {said.questions[0]}" if said.questions else ""
            return Ending.DECLINED, ErrorKind.NONE, f"{name} wants a person to decide{asked}"
        return Ending.SUCCEEDED, ErrorKind.NONE, ""
