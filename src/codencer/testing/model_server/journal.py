"""Which requests came: what a test needs to prove that its prompt arrived whole, or a tool is at work.

Bounded: the oldest are forgotten. Who waits is woken by the next request, nobody polls.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

KEPT = 20_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request. `id` and `scenario` are those of its script; `kind` is the dialect, or `tool` for
    a command that says it is at work, or `other`.

    `prompts` counts the scripted prompts in the conversation and `prompt_characters` is the length of the
    newest; `results` counts answers of tools since; `reply` is what was answered, in short.
    """

    kind: str
    id: str = ""
    scenario: str = ""
    model: str = ""
    stream: bool = False
    tools: tuple[str, ...] = ()
    prompts: int = 0
    prompt_characters: int = 0
    results: int = 0
    reply: str = ""
    path: str = ""


class Journal:
    """The requests of one server, in the order of their arrival; used from many threads."""

    def __init__(self) -> None:
        self._seen: deque[Request] = deque(maxlen=KEPT)
        self._changed = threading.Condition()

    def note(self, request: Request) -> None:
        with self._changed:
            self._seen.append(request)
            self._changed.notify_all()

    def of(self, id: str) -> list[Request]:
        """The requests that belong to one script's id."""
        with self._changed:
            return [each for each in self._seen if each.id == id]

    def wait(self, wanted: Callable[[Request], bool], seconds: float) -> Request | None:
        """The first request that is wanted, already here or still to come; None when it did not come."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for each in self._seen:
                    if wanted(each):
                        return each
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return next((each for each in self._seen if wanted(each)), None)
