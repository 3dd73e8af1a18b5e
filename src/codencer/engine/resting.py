"""Steps that wait for a moment with nobody at work: one timer each, and the words for it.

The moment itself is in the ledger; this is what a running daemon makes of it. Its own clock counts,
which nobody can set.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from codencer.engine.admission import Waiting
from codencer.model.attempt import Pause
from codencer.model.step import Step
from codencer.model.waiting import NextTry

SOON_SECONDS = 600
"""A moment that is nearer is told by how far off it is, another by the clock."""


@dataclass(frozen=True, kw_only=True)
class Rest:
    """`words` say what is waited for, given how far off it is; `turn` is the step's place afterwards."""

    turn: Waiting
    timer: asyncio.TimerHandle
    words: Callable[[float], str]


class Rests:
    """By step. `due` is called with the step and its turn once its moment has come."""

    def __init__(self, due: Callable[[str, Waiting], None]) -> None:
        self._due = due
        self._rests: dict[str, Rest] = {}

    def begin(self, step_id: str, turn: Waiting, seconds: float, words: Callable[[float], str]) -> None:
        self.end(step_id)
        timer = asyncio.get_running_loop().call_later(seconds, self._over, step_id)
        self._rests[step_id] = Rest(turn=turn, timer=timer, words=words)

    def end(self, step_id: str) -> Waiting | None:
        """Forget a step; returns its turn if it was waiting."""
        rest = self._rests.pop(step_id, None)
        if rest is None:
            return None
        rest.timer.cancel()
        return rest.turn

    def reason(self, step_id: str) -> str | None:
        """What a step waits for, in words; None when it does not."""
        rest = self._rests.get(step_id)
        if rest is None:
            return None
        return rest.words(max(0.0, rest.timer.when() - asyncio.get_running_loop().time()))

    def close(self) -> None:
        for step_id in list(self._rests):
            self.end(step_id)

    def _over(self, step_id: str) -> None:
        self._due(step_id, self._rests.pop(step_id).turn)


def of_retry(planned: NextTry, adapter: str) -> Callable[[float], str]:
    """What a step says that waits for an attempt of its policy's."""

    def words(left: float) -> str:
        what = f"attempt {planned.tries} of {planned.most} by {adapter}"
        return f"tried again {moment(left, planned.wait.until)}, {what}; the one before: {planned.cause}"

    return words


def of_pause(pause: Pause, adapter: str) -> Callable[[float], str]:
    """What a step says whose agent rests."""
    return lambda _left: f"waits until {clock(pause.wait.until)}: {pause.cause} of {adapter}"


def turn_of(step: Step, planned: NextTry) -> Waiting:
    """The place in the queue of a step that is tried again; its base is known by now."""
    return Waiting.turn(step.run_id, step.frozen, None, fallback=planned.fallback)


def moment(left: float, until: int) -> str:
    return f"in {left:.0f} s" if left < SOON_SECONDS else f"at {clock(until)}"


def clock(until: int) -> str:
    """A moment in UTC microseconds for people, with its date when that is not today."""
    then, now = datetime.fromtimestamp(until / 1_000_000, UTC), datetime.now(UTC)
    return f"{then:%H:%M} UTC" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M} UTC"
