"""Following files: one wake-up per change, none without, nothing left open."""

import asyncio
import os
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from codencer.errors import NotFound
from codencer.process import inotify, watch

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["notified", "polled"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With inotify, and as on a system that has none."""
    if request.param == "polled":
        monkeypatch.setattr(inotify, "_LIBC", object())
        monkeypatch.setattr(watch, "POLL_SECONDS", 0.02)
    return str(request.param)


def append(path: Path) -> Callable[[], int]:
    def write() -> int:
        with path.open("ab") as target:
            return target.write(b"x")

    return write


async def test_wakes_at_once_and_then_for_each_change(tmp_path: Path, way: str) -> None:
    log = tmp_path / "log"
    log.touch()
    async with aclosing(watch.changed(log)) as looks:
        await asyncio.wait_for(anext(looks), 5)
        for _ in range(3):
            news = asyncio.ensure_future(anext(looks))
            done, _ = await asyncio.wait({news}, timeout=0.05)
            assert not done
            await asyncio.to_thread(append(log))
            await asyncio.wait_for(news, 5)
            if way == "notified":  # a write and the close after it may be two
                while (await asyncio.wait({again := asyncio.ensure_future(anext(looks))}, timeout=0.05))[0]:
                    pass
                again.cancel()
                await asyncio.gather(again, return_exceptions=True)
                break


async def test_what_is_written_before_the_reader_asks_is_not_missed(tmp_path: Path, way: str) -> None:
    log = tmp_path / "log"
    log.touch()
    seen = 0
    async with asyncio.timeout(5), aclosing(watch.changed(log)) as looks:
        async for _ in looks:
            seen = (await asyncio.to_thread(log.stat)).st_size
            if seen >= 5:
                break
            await asyncio.to_thread(append(log))
    assert seen == 5


async def test_many_followers_share_one_instance(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    logs = [tmp_path / f"log{number}" for number in range(200)]
    for log in logs:
        log.touch()
    ready = asyncio.Semaphore(0)

    async def follow(log: Path) -> None:
        async with aclosing(watch.changed(log)) as looks:
            async for _ in looks:
                ready.release()
                if (await asyncio.to_thread(log.stat)).st_size:
                    return

    tasks = [asyncio.create_task(follow(log)) for log in logs for _ in range(2)]
    async with asyncio.timeout(10):
        for _ in tasks:
            await ready.acquire()
        assert len(set(os.listdir("/proc/self/fd")) - before) <= 2
        for log in logs:
            await asyncio.to_thread(append(log))
        await asyncio.gather(*tasks)
    assert inotify._watchers == {}
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 1


async def test_a_follower_that_is_cancelled_leaves_nothing(tmp_path: Path, way: str) -> None:
    log = tmp_path / "log"
    log.touch()
    started = asyncio.Event()

    async def follow() -> None:
        async with aclosing(watch.changed(log)) as looks:
            async for _ in looks:
                started.set()

    task = asyncio.create_task(follow())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert inotify._watchers == {}


async def test_no_such_file(tmp_path: Path, way: str) -> None:
    with pytest.raises(NotFound, match="cannot be watched"):
        await anext(watch.changed(tmp_path / "missing"))
    assert inotify._watchers == {}


async def test_a_deleted_file_harms_nobody(tmp_path: Path) -> None:
    log, other = tmp_path / "log", tmp_path / "other"
    log.touch()
    other.touch()
    async with aclosing(watch.changed(log)) as looks, aclosing(watch.changed(other)) as others:
        await anext(looks)
        await anext(others)
        log.unlink()
        await asyncio.wait_for(anext(looks), 5)
        await asyncio.to_thread(append(other))
        await asyncio.wait_for(anext(others), 5)
    assert inotify._watchers == {}
