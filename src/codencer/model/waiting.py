"""What a step waits for without anybody at work: a moment, and what comes then."""

from dataclasses import dataclass

ABOUT_TO_BEGIN = "about to begin"
"""What a step waits for whose turn it is: nothing."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A moment, in UTC microseconds, and how far off it was when it was written down.

    A running daemon counts by a clock that nobody can set. After a restart only the wall clock tells
    what is left, so that is never more than the whole, however the clock was set meanwhile.
    """

    until: int
    microseconds: int

    @classmethod
    def of(cls, seconds: float, now: int) -> "Wait":
        length = round(seconds * 1_000_000)
        return cls(until=now + length, microseconds=length)

    def left(self, now: int) -> float:
        """Seconds until then, as the wall clock has it."""
        return min(max(self.until - now, 0), self.microseconds) / 1_000_000


@dataclass(frozen=True, kw_only=True)
class NextTry:
    """The attempt that policy has planned for a step.

    `tries` is which one it is, counted since a person last asked for the step, out of `most`;
    `fallback` 0 for the step's own adapter, else which of its fallback adapters. It begins at the
    commit `begins_at`, or at the base of the step; `cause` is why the attempt before did not do.
    """

    wait: Wait
    tries: int
    most: int
    fallback: int
    cause: str
    feedback: str
    begins_at: str | None = None
