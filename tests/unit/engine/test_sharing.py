"""Many together or one alone, and nobody waits for ever."""

import asyncio

import pytest

from codencer.engine.sharing import SharedLock


async def test_many_hold_it_together_and_one_alone() -> None:
    lock, seen = SharedLock(), list[str]()
    leave, second = asyncio.Event(), asyncio.Event()

    async def together(name: str) -> None:
        async with lock.together():
            seen.append(name)
            if name == "b":
                second.set()
            await leave.wait()

    async def alone() -> None:
        async with lock.alone():
            seen.append("alone")

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(together("a"))
        group.create_task(together("b"))
        await second.wait()
        waiting = group.create_task(alone())
        late = group.create_task(together("late"))
        await asyncio.sleep(0)
        assert seen == ["a", "b"]
        assert not waiting.done()
        leave.set()
        await late
    assert seen == ["a", "b", "alone", "late"]


async def test_a_failure_inside_lets_go() -> None:
    lock = SharedLock()
    for entered in (lock.together, lock.alone):
        with pytest.raises(KeyError):
            async with entered():
                raise KeyError
    async with asyncio.timeout(5), lock.alone():
        pass
