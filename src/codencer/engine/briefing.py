"""What was settled about an agent before it was started, in a file of the bridge's beside its launches.

Whoever enters the attempt again, a later daemon too, reads there what the agent was told to go on with
and what was known against it; both belong to how its end is judged.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from codencer.engine.rooms import Trip
from codencer.model.attempt import AgentOutcome, Ending, ErrorKind
from codencer.model.codec import DecodeError, decode, encode

_FILE = "briefing.json"
_NEVER_WENT_ON = frozenset({ErrorKind.CRASH, ErrorKind.MALFORMED, ErrorKind.REFUSED})
"""How an agent ends that does not know the conversation; it may still have made up a name for a new one."""


@dataclass(frozen=True, kw_only=True)
class Briefing:
    """`session_id` is the conversation that was to go on, `home` whose home folder the agent has (`user` or
    `step`), `warnings` what its adapter's probe had to say."""

    session_id: str | None = None
    home: str = "user"
    warnings: tuple[str, ...] = ()


def write_briefing(trip: Trip, briefing: Briefing) -> None:
    """Keep it, in one piece; the attempt's folder must be there."""
    path = _path(trip)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(encode(briefing)), encoding="utf-8")
    os.replace(beside, path)


def read_briefing(trip: Trip) -> Briefing:
    """The one of this attempt; of an agent that was never started, an empty one."""
    try:
        return decode(Briefing, json.loads(_path(trip).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, DecodeError):
        return Briefing()


def in_its_light(trip: Trip, outcome: AgentOutcome) -> AgentOutcome:
    """How an agent ended, with what was known against it, and whether it took up its conversation."""
    briefing = read_briefing(trip)
    outcome = replace(outcome, warnings=(*briefing.warnings, *outcome.warnings))
    session = briefing.session_id
    if (
        session is None
        or outcome.session_id == session
        or outcome.ending is not Ending.BROKEN
        or outcome.error_kind not in _NEVER_WENT_ON
    ):
        return outcome
    error = (
        f"the agent did not take up the conversation {session} of an earlier attempt: {outcome.error}. "
        f"`codencer step retry {trip.step.id}` begins a new one"
    )
    return replace(outcome, session_id=None, error=error)


def _path(trip: Trip) -> Path:
    return trip.rooms.layout.attempt_folder(trip.attempt.id) / _FILE
