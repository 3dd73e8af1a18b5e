"""Waiting inside an event loop for what the kernel reports: descriptors, processes, blocking calls.

Each blocking call gets a thread of its own: it may block for hours, and must neither wait for
nor use up the threads that others share.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from codencer.process.folder import await_release, is_alive, read_claim
from codencer.process.procfs import read_stat

T = TypeVar("T")


async def readable(descriptor: int) -> None:
    """Return when reading from `descriptor` would not block; one waiter per descriptor."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, wake)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


async def process_end(pid: int, start_ticks: int) -> bool:
    """Return True when exactly this process has ended, False when the kernel cannot tell us."""
    if not hasattr(os, "pidfd_open"):
        return False
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        stat = await off_loop(partial(read_stat, pid))
        if stat is None or stat.start_ticks != start_ticks:
            return False
        await readable(handle)
    finally:
        os.close(handle)
    return True


async def launch_end(folder: Path) -> None:
    """Return when nobody holds the claim of the launch in `folder`."""
    claim = await off_loop(partial(read_claim, folder))
    if await off_loop(partial(is_alive, folder, claim)):
        assert claim is not None  # for an owner who is alive
        await process_end(claim.pid, claim.start_ticks)
        # Where the kernel could not tell, because the owner lives in another pid
        # namespace or there are no pidfds, this waits for the end of its lock.
        await off_loop(partial(await_release, folder))


async def off_loop(call: Callable[[], T]) -> T:
    """Run a blocking call in a thread of its own, which does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def conclude(value: T | None, problem: BaseException | None) -> None:
        if result.done():
            return
        if problem is not None:
            result.set_exception(problem)
        else:
            result.set_result(value)  # type: ignore[arg-type]  # T may itself be None

    def work() -> None:
        value, problem = None, None
        try:
            value = call()
        except Exception as failure:  # noqa: BLE001  (handed to the waiter)
            problem = failure
        try:
            loop.call_soon_threadsafe(conclude, value, problem)
        except RuntimeError:
            return  # the loop is closed, and nobody waits any more

    threading.Thread(target=work, name="codencer-wait", daemon=True).start()
    return await result
