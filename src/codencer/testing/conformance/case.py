"""What a case is."""

from collections.abc import Callable
from dataclasses import dataclass

from codencer.testing.conformance.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Case:
    """`about` says in one sentence what is proven. With `alone` nothing else is under way meanwhile.

    One of those that a case `needs` is missing in some agents, to which it does not apply then.
    """

    name: str
    about: str
    run: Callable[[Trial], None]
    alone: bool = False
    needs_tools: bool = False
    needs_questions: bool = False
