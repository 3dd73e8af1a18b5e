"""What a case is."""

from collections.abc import Callable
from dataclasses import dataclass

from codencer.testing.conformance.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Case:
    """`about` says in one sentence what is proven. With `alone` nothing else is under way meanwhile."""

    name: str
    about: str
    run: Callable[[Trial], None]
    alone: bool = False
    needs_tools: bool = False
