"""Where the output of a step's newest attempt is, and what can tell it in another form.

While the agent is at work it is the growing file of its launch; later the transcript that was kept,
if it is whole, else the sealed output, which is parsed again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from codencer.engine.assignment import adapter_of
from codencer.engine.framed import Framed, Listens
from codencer.engine.log_forms import LogForm, Recorded, Teller, Told, Verbatim
from codencer.engine.reading import find_step, newest_attempt, step_artifacts
from codencer.engine.rooms import Rooms, Trip
from codencer.engine.transcript import TRANSCRIPT, TRANSCRIPT_BYTES
from codencer.errors import CodencerError, Conflict, NotFound
from codencer.ledger import Queries
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt
from codencer.model.step import Step
from codencer.process.frames import LOG


@dataclass(frozen=True, kw_only=True)
class LogFile:
    """`growing` is true while the agent may still write to it."""

    path: Path
    growing: bool


@dataclass(frozen=True, kw_only=True)
class LogSource:
    """A file of one attempt, and how it is told in the form that was asked for."""

    file: LogFile
    attempt_id: str
    form: LogForm
    listener: Callable[[], Listens]
    framed: bool = False

    def teller(self, start: int) -> tuple[Teller, int]:
        """What tells the file from byte `start` on, and from where it has to be fed.

        Frames can only be told apart from the beginning of the file.
        """
        if self.form is LogForm.RAW:
            return Verbatim(), start
        if self.framed:
            return Told(Framed(self.listener()), self.form, unheard=start), 0
        return Told(self.listener(), self.form, midway=start > 0), start


@dataclass(frozen=True, kw_only=True)
class _Found:
    step: Step
    attempt: Attempt | None
    artifacts: dict[str, Artifact]


async def log_file(rooms: Rooms, address: str, *, stderr: bool) -> LogFile:
    """The agent's raw output, wherever it is at the moment.

    Raises:
        NotFound: there is no such step, or no agent was started.
    """
    return await asyncio.to_thread(_raw, rooms, await _find(rooms, address), stderr=stderr)


async def log_source(rooms: Rooms, address: str, form: LogForm, *, stderr: bool, whole: bool) -> LogSource:
    """What tells the newest attempt's output.

    Args:
        whole: from its beginning; else only from somewhere in the raw output, counted from its end.

    Raises:
        NotFound: no agent was started. Conflict: nothing here understands its output any more.
    """
    found = await _find(rooms, address)
    attempt, kept = found.attempt, found.artifacts.get(TRANSCRIPT)
    listener: Callable[[], Listens] = Recorded
    framed = False
    if form is not LogForm.RAW and whole and kept is not None and kept.size < TRANSCRIPT_BYTES:
        file = LogFile(path=rooms.artifacts.path(kept), growing=False)
    else:
        file = await asyncio.to_thread(_raw, rooms, found, stderr=stderr)
        framed = file.path.name in (LOG, f"{LOG}.log")
        if form is not LogForm.RAW and attempt is not None:
            listener = await asyncio.to_thread(_parser_of, Trip(rooms, found.step, attempt))
    return LogSource(
        file=file,
        attempt_id=attempt.id if attempt is not None else "",
        form=form,
        listener=listener,
        framed=framed,
    )


async def _find(rooms: Rooms, address: str) -> _Found:
    def read(queries: Queries) -> _Found:
        step = find_step(queries, address)
        artifacts = {each.name: each for each in step_artifacts(queries, step)}
        return _Found(step=step, attempt=newest_attempt(queries, step), artifacts=artifacts)

    return await rooms.ledger.read(read)


def _parser_of(trip: Trip) -> Callable[[], Listens]:
    try:
        return adapter_of(trip).parser
    except CodencerError as problem:
        raise Conflict(
            f"the output of step {trip.step.id} cannot be read as events: {problem}. "
            f"`codencer step logs --raw {trip.step.id}` prints it as it is"
        ) from problem


def _raw(rooms: Rooms, found: _Found, *, stderr: bool) -> LogFile:
    names = ("stderr",) if stderr else ("stdout", LOG)
    step, attempt = found.step, found.attempt
    for name in names:
        if (sealed := found.artifacts.get(f"{name}.log")) is not None:
            return LogFile(path=rooms.artifacts.path(sealed), growing=False)
    if attempt is None or attempt.launch is None:
        raise NotFound(f"step {step.id} is {step.state}: no agent was started, so there is no log")
    folder = rooms.layout.launch(attempt.id, attempt.launch)
    name = next((each for each in names if (folder / each).exists()), names[0])
    return LogFile(path=folder / name, growing=attempt.outcome is None)
