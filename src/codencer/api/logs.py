"""Streams an agent's output from its file: any size, in small pieces, followed while it grows.

A follower gets every byte the agent wrote and ends when the agent has ended. What wakes it is the
kernel (the file grew) or an event of the ledger, never a look now and then.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

from codencer.api.feed import following
from codencer.engine import Engine
from codencer.errors import NotFound
from codencer.model.event import EventKind
from codencer.model.step import Step
from codencer.process.watch import changed

PIECE = 64 * 1024

_OVER = frozenset(
    {EventKind.AGENT_PAUSED, EventKind.AGENT_EXITED, EventKind.ATTEMPT_ENDED, EventKind.STEP_SETTLED}
)


async def present(path: Path, offset: int) -> AsyncIterator[bytes]:
    """Yield what is in the file now, from `offset` (from its end when negative)."""
    file = await asyncio.to_thread(_open, path, offset)
    try:
        while piece := await asyncio.to_thread(os.read, file, PIECE):
            yield piece
    finally:
        os.close(file)


async def followed(engine: Engine, step: Step, *, stderr: bool, offset: int) -> AsyncIterator[bytes]:
    """Yield the output of the step's newest attempt until its agent has ended.

    A step that waits for its agent is waited for; one that ends without an agent yields nothing.
    """
    log = await _begun(engine, step.id, stderr, offset)
    if log is None:
        return
    news, over = asyncio.Event(), asyncio.Event()
    tasks = [
        asyncio.create_task(_watch_file(log.path, news)),
        asyncio.create_task(_watch_attempt(engine, log, over, news)),
    ]
    try:
        while True:
            last = over.is_set()
            news.clear()
            while piece := await asyncio.to_thread(os.read, log.file, PIECE):
                yield piece
            if last:
                return
            await news.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        os.close(log.file)


@dataclass(frozen=True, kw_only=True)
class _Log:
    """An open log and whose it is; it stays open when the file is sealed and moved away."""

    step: str
    attempt: str
    path: Path
    file: int


def _open(path: Path, offset: int) -> int:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as problem:
        raise NotFound(f"the log {path} is not there") from problem
    os.lseek(file, offset if offset >= 0 else max(0, os.fstat(file).st_size + offset), os.SEEK_SET)
    return file


async def _begun(engine: Engine, step: str, stderr: bool, offset: int) -> _Log | None:
    """The newest attempt's log once there is one; None when the step, or the daemon, ends without."""
    async with following(engine, step=step) as events:
        while True:
            found = await engine.get_step(step)
            with suppress(NotFound):
                path = (await engine.log_file(step, stderr=stderr)).path
                file = await asyncio.to_thread(_open, path, offset)
                return _Log(step=step, attempt=found.latest_attempt_id or "", path=path, file=file)
            if found.settled or await anext(events, None) is None:
                return None


async def _watch_file(path: Path, news: asyncio.Event) -> None:
    # Sealed and moved away meanwhile: then the attempt is over, which the other task sees.
    with suppress(NotFound):
        async with aclosing(changed(path)) as growths:
            async for _ in growths:
                news.set()


async def _watch_attempt(engine: Engine, log: _Log, over: asyncio.Event, news: asyncio.Event) -> None:
    """Note the end of the attempt, or of the daemon."""
    async with following(engine, step=log.step) as events:
        async for event in events:
            if event.attempt_id == log.attempt and event.kind in _OVER:
                break
    over.set()
    news.set()
