"""Streams an agent's output from its file: any size, in small pieces, followed while it grows.

A follower gets everything the agent wrote and ends when the agent has ended. What wakes it is the
kernel (the file grew) or an event of the ledger, never a look now and then. Reading and telling
happen in a thread, one piece at a time, and the next only when the reader has taken the last.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

from codencer.api.feed import following
from codencer.engine import Engine
from codencer.engine.log_forms import LogForm
from codencer.engine.logs import LogSource
from codencer.errors import NotFound
from codencer.model.event import EventKind
from codencer.model.step import Step
from codencer.process.watch import changed

PIECE = 64 * 1024

_OVER = frozenset(
    {EventKind.AGENT_PAUSED, EventKind.AGENT_EXITED, EventKind.ATTEMPT_ENDED, EventKind.STEP_SETTLED}
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which output, in which form, and from where: a negative `offset` counts from the end.

    Of text and events only the beginning or an offset from the end makes sense: they begin with
    the first whole line behind it.
    """

    form: LogForm
    stderr: bool = False
    offset: int = 0


class _Log:
    """An open log and whose it is; it stays open when the file is sealed and moved away."""

    def __init__(self, source: LogSource, offset: int) -> None:
        self.attempt, self.path = source.attempt_id, source.file.path
        self.growing = source.file.growing
        self.news, self.over = asyncio.Event(), asyncio.Event()
        self._file = _open(self.path)
        try:
            end = os.fstat(self._file).st_size
            start = offset if offset >= 0 else max(0, end + offset)
            self._teller, begin = source.teller(start)
            os.lseek(self._file, begin, os.SEEK_SET)
        except BaseException:
            self.close()
            raise

    def more(self) -> bytes | None:
        """What the next piece of the file says; None when there is none for now."""
        data = os.read(self._file, PIECE)
        return self._teller.feed(data) if data else None

    def rest(self) -> bytes:
        """What is left to say when nothing will be written any more."""
        return self._teller.end()

    def close(self) -> None:
        os.close(self._file)


async def present(engine: Engine, step: Step, wanted: Wanted) -> AsyncIterator[bytes]:
    """Return what is in the log now; it is open, and so known to exist, when this returns."""
    log = await _log(engine, step.id, wanted)

    async def told() -> AsyncIterator[bytes]:
        try:
            while (piece := await asyncio.to_thread(log.more)) is not None:
                if piece:
                    yield piece
            if not log.growing and (rest := await asyncio.to_thread(log.rest)):
                yield rest
        finally:
            log.close()

    return told()


async def followed(engine: Engine, step: Step, wanted: Wanted) -> AsyncIterator[bytes]:
    """Return the output of the step's newest attempt until its agent has ended.

    A step that waits for its agent is waited for; one that ends without an agent yields nothing.
    """
    with suppress(NotFound):  # What nobody understands is refused now, while it can still be told why.
        await engine.log_source(step.id, wanted.form, stderr=wanted.stderr, whole=wanted.offset == 0)
    return _followed(engine, step, wanted)


async def _followed(engine: Engine, step: Step, wanted: Wanted) -> AsyncIterator[bytes]:
    log = await _begun(engine, step.id, wanted)
    if log is None:
        return
    tasks = [asyncio.create_task(_watch_file(log)), asyncio.create_task(_watch_attempt(engine, step.id, log))]
    try:
        while True:
            last = log.over.is_set()
            log.news.clear()
            while (piece := await asyncio.to_thread(log.more)) is not None:
                if piece:
                    yield piece
            if last:
                break
            await log.news.wait()
        if not log.growing and (rest := await asyncio.to_thread(log.rest)):
            yield rest
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        log.close()


async def _log(engine: Engine, step: str, wanted: Wanted) -> _Log:
    whole = wanted.offset == 0
    source = await engine.log_source(step, wanted.form, stderr=wanted.stderr, whole=whole)
    try:
        return await asyncio.to_thread(_Log, source, wanted.offset)
    except NotFound:
        # Sealed, and so moved, between the look and the opening.
        source = await engine.log_source(step, wanted.form, stderr=wanted.stderr, whole=whole)
        return await asyncio.to_thread(_Log, source, wanted.offset)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as problem:
        raise NotFound(f"the log {path} is not there") from problem


async def _begun(engine: Engine, step: str, wanted: Wanted) -> _Log | None:
    """The newest attempt's log once there is one; None when the step, or the daemon, ends without."""
    async with following(engine, step=step) as events:
        while True:
            settled = (await engine.get_step(step)).settled
            with suppress(NotFound):
                return await _log(engine, step, wanted)
            if settled or await anext(events, None) is None:
                return None


async def _watch_file(log: _Log) -> None:
    # Sealed and moved away meanwhile: then the attempt is over, which the other task sees.
    with suppress(NotFound):
        async with aclosing(changed(log.path)) as growths:
            async for _ in growths:
                log.news.set()


async def _watch_attempt(engine: Engine, step: str, log: _Log) -> None:
    """Note the end of the attempt, or of the daemon, which leaves the agent at work."""
    async with following(engine, step=step) as events:
        async for event in events:
            if event.attempt_id == log.attempt and event.kind in _OVER:
                log.growing = False
                break
    log.over.set()
    log.news.set()
