"""The memory guard, on a file like /proc/meminfo."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from codencer.engine.memory import MemoryGuard
from codencer.process.procfs import available_memory


@pytest.fixture
def set_available(tmp_path: Path) -> Callable[[int], None]:
    def write(mib: int) -> None:
        lines = f"MemTotal:  9999999 kB\nMemFree: 1 kB\nMemAvailable:   {mib * 1024} kB\n"
        (tmp_path / "meminfo").write_text(lines)

    return write


async def test_it_holds_back_says_why_and_looks_again(
    tmp_path: Path, set_available: Callable[[int], None]
) -> None:
    woken = asyncio.Event()
    look = partial(available_memory, str(tmp_path / "meminfo"))
    guard = MemoryGuard(2048, woken.set, look, again_seconds=0.01)
    set_available(812)
    assert not await guard.admits()
    assert guard.shortage == "waiting for memory: 812 MiB available, 2048 wanted"
    await asyncio.wait_for(woken.wait(), 10)
    set_available(2048)
    assert await guard.admits()
    assert guard.shortage is None


async def test_nobody_is_woken_while_nothing_is_held_back(
    tmp_path: Path, set_available: Callable[[int], None]
) -> None:
    woken: list[bool] = []
    look = partial(available_memory, str(tmp_path / "meminfo"))
    guard = MemoryGuard(2048, lambda: woken.append(True), look, again_seconds=0)
    set_available(1)
    assert not await guard.admits()
    guard.rest()
    assert guard.shortage is None
    set_available(4096)
    assert await guard.admits()
    # Timers that are due run in this turn of the loop.
    await asyncio.wait_for(asyncio.to_thread(int), 10)
    assert woken == []


async def test_without_a_floor_it_does_not_look() -> None:
    def look() -> int:
        raise AssertionError("it looked")

    assert await MemoryGuard(0, lambda: None, look).admits()


async def test_where_the_system_does_not_say_nothing_is_held_back(tmp_path: Path) -> None:
    guard = MemoryGuard(2**24, lambda: None, partial(available_memory, str(tmp_path / "none")))
    assert await guard.admits()


def test_what_this_machine_says_is_plausible() -> None:
    available = available_memory()
    assert available is not None
    assert 2**20 < available < 2**50
