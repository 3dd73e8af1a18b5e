"""A conversation read once more when it is over: for the transcript, and against the record.

Everything that was said to the agent must be what the bridge has said: its own words, and the answers
that are in the ledger. The socket of a conversation lies within the reach of an agent of the same user,
so that an agent could have answered its own questions; then nothing of the attempt is to be trusted.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from codencer.errors import StorageFailed
from codencer.model.attempt import AgentEvent, AgentOutcome, Ending, ErrorKind
from codencer.model.dialogue import Due, Message, PermissionRequest
from codencer.model.launch import ExitRecord
from codencer.model.ports import Session
from codencer.model.question import AgentQuestion, QuestionState
from codencer.process.frames import LOG, Direction, Frame, read_frames

MOST_DENIED = 20
"""Refused permissions that are named in the warnings."""


def heard(log: Path) -> Iterator[bytes]:
    """What an agent said in a conversation that was judged before; of a damaged log its beginning."""
    with suppress(StorageFailed):
        yield from (frame.data for frame in _frames(log) if frame.direction is Direction.FROM_AGENT)


def _frames(log: Path) -> Iterator[Frame]:
    position = 0
    while log.exists() and (frames := read_frames(log, position)):
        yield from frames
        position = frames[-1].position


class Overheard:
    """A parser of what the agent said in the conversation of the launch in `folder`.

    `fault` is why it could not be led to its end, if that is known.
    """

    def __init__(
        self, session: Session, folder: Path, questions: Sequence[AgentQuestion], fault: str = ""
    ) -> None:
        self._session, self._log = session, folder / LOG
        self._questions = {each.key: each for each in questions if each.launch == folder.name}
        self._expected: dict[str, bytes | None] = {}
        self._fault, self._foreign = fault, False

    def chunks(self) -> Iterator[bytes]:
        """What the agent said, a frame at a time; what was said to it is compared on the way."""
        self._expect()
        try:
            for frame in _frames(self._log):
                if frame.direction is Direction.FROM_AGENT:
                    yield frame.data
                elif frame.direction is Direction.TO_AGENT:
                    self._compare(frame)
        except StorageFailed as problem:
            self._fault = str(problem)

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        events = self._session.feed(data)
        self._expect()
        return events

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        outcome = self._session.finish(exit, fragment, report)
        outcome = replace(outcome, warnings=(*outcome.warnings, *self._denied()))
        if not self._fault:
            return outcome
        kind = ErrorKind.MALFORMED
        return replace(outcome, ending=Ending.BROKEN, error_kind=kind, error=self._fault)

    def _expect(self) -> None:
        for due in self._session.due():
            self._expected[due.key] = self._words(due)

    def _words(self, due: Due) -> bytes | None:
        """What may be said under this key; None where only the key can be known now."""
        if isinstance(due, Message):
            return due.data
        if not isinstance(due, PermissionRequest):
            return None
        question = self._questions.get(due.key)
        answered = question is not None and question.state is QuestionState.ANSWERED
        return self._session.answer(due, question.option).data if question and answered else b""

    def _compare(self, frame: Frame) -> None:
        known = frame.key in self._expected and self._expected[frame.key] in (None, frame.data)
        if not known and not self._foreign:
            self._foreign = True
            self._fault = (
                f"the agent was told something that Codencer did not say ({frame.key}): somebody else, or "
                "the agent itself, took part in the conversation; look at what it did before you use it"
            )

    def _denied(self) -> Iterator[str]:
        denied = [
            each
            for each in self._questions.values()
            if each.state is not QuestionState.OPEN and not each.allowed
        ]
        for each in denied[:MOST_DENIED]:
            if each.by is None:
                yield f"not answered: {each.text}"
            else:
                yield f"not allowed (by {each.by}): {each.text}"
        if len(denied) > MOST_DENIED:
            yield f"and {len(denied) - MOST_DENIED} more were not allowed"
