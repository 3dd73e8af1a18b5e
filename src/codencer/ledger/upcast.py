"""Old events, brought up to the shape of today before they are projected.

The chain keeps every event as it was written. When a kind changes shape, `EVENT_VERSION`
goes up by one and a function from the old body to the next joins `UPCASTS`.
"""

from collections.abc import Callable, Mapping

from codencer.errors import IncompatibleVersion
from codencer.model.event import EVENT_VERSION

Upcast = Callable[[dict[str, object]], dict[str, object]]
Upcasts = Mapping[tuple[str, int], Upcast]

UPCASTS: Upcasts = {}
"""By kind and the version it starts from; a kind that did not change has no entry."""


def upcast(
    kind: str,
    v: int,
    body: dict[str, object],
    *,
    registry: Upcasts = UPCASTS,
    current: int = EVENT_VERSION,
) -> dict[str, object]:
    """Return `body` as version `current` of its kind would have it.

    Raises:
        IncompatibleVersion: the event is newer than this program.
    """
    if v > current:
        raise IncompatibleVersion(
            f"an event {kind} has version {v}, this Codencer knows up to {current}; nothing was changed, "
            "upgrade Codencer to read this ledger"
        )
    for version in range(v, current):
        step = registry.get((kind, version))
        body = step(body) if step else body
    return body
