"""Limits and stopping: kept by the supervisor alone, with grace where grace is given."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults import Faults, why_not

from codencer.model.launch import ExitReason, ExitRecord
from codencer.process.launches import Launcher, Order

pytestmark = pytest.mark.anyio

MakeOrder = Callable[..., Order]
Until = Callable[[Path, str], Awaitable[str]]


async def ended(launcher: Launcher, folder: Path, order: Order) -> ExitRecord:
    launcher.start(folder, order)
    record = await launcher.finished(folder)
    assert record is not None
    return record


async def stopped(launcher: Launcher, folder: Path) -> ExitRecord:
    launcher.stop(folder)
    record = await launcher.finished(folder)
    assert record is not None
    return record


async def test_wall_clock(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    record = await ended(launcher, folder, order("sleep", "60", wall_seconds=0.2))
    assert (record.reason, record.code, record.signal) == (ExitReason.TIMEOUT, None, signal.SIGTERM)
    assert record.duration_us >= 200_000


async def test_grace_lets_it_end_by_itself(
    launcher: Launcher, folder: Path, order: MakeOrder, until_says: Until
) -> None:
    launcher.start(folder, order("sh", "-c", "trap 'echo bye; exit 7' TERM; sleep 60 & echo up; wait"))
    await until_says(folder / "stdout", "up")
    record = await stopped(launcher, folder)
    assert (record.reason, record.code) == (ExitReason.STOPPED, 7)
    assert (folder / "stdout").read_text() == "up\nbye\n"


@pytest.mark.parametrize("grace", [0, 0.3])
async def test_whoever_ignores_term_is_killed_after_the_grace(
    launcher: Launcher, folder: Path, order: MakeOrder, until_says: Until, grace: float
) -> None:
    script = "trap '' TERM; sleep 60 & echo up; wait"
    launcher.start(folder, order("sh", "-c", script, grace_seconds=grace))
    await until_says(folder / "stdout", "up")
    record = await stopped(launcher, folder)
    assert (record.reason, record.signal) == (ExitReason.STOPPED, signal.SIGKILL)
    assert record.duration_us >= grace * 1_000_000
    assert [note.name in {"sh", "sleep"} for note in record.killed] == [True]  # before or after its exec
    assert record.survivors == ()


async def test_silence(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    record = await ended(launcher, folder, order("sh", "-c", "echo one; sleep 60", idle_seconds=0.3))
    assert record.reason is ExitReason.IDLE_TIMEOUT
    assert record.duration_us >= 300_000


async def test_output_on_either_stream_is_a_sign_of_life(
    launcher: Launcher, folder: Path, python: MakeOrder, marker: str
) -> None:
    async def speaks(stream: str) -> ExitRecord:
        line = f"sys.{stream}.write('x'); sys.{stream}.flush(); time.sleep(.1)"
        code = f"import sys, time\nfor _ in range(24): {line}"
        speaker = replace(python(code, idle_seconds=2), marker=f"{marker}-{stream}")
        return await ended(launcher, folder.with_name(stream), speaker)

    # Both at once, because an idle limit that a busy machine does not exceed takes its time.
    for record in await asyncio.gather(speaks("stdout"), speaks("stderr")):
        assert (record.reason, record.code) == (ExitReason.EXITED, 0)
        assert record.duration_us >= 2_300_000


@contextmanager
def restless_clock(faults: Faults) -> Iterator[None]:
    """Sets the clock again and again, a day further each time."""
    loop, over = asyncio.get_running_loop(), False

    def jump(days: int) -> None:
        faults.set_clock(days * 86_400)
        if not over:
            loop.call_later(0.02, jump, days + 1)

    jump(1)
    yield
    over = True


@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.parametrize(
    ("prints", "reason"), [(16, ExitReason.EXITED), (1, ExitReason.IDLE_TIMEOUT)], ids=["at work", "silent"]
)
async def test_a_clock_that_is_set_makes_nobody_silent(
    launcher: Launcher,
    folder: Path,
    python: MakeOrder,
    fault_library: Path,
    tmp_path: Path,
    prints: int,
    reason: ExitReason,
) -> None:
    faults = Faults(fault_library, tmp_path / "control")
    code = (
        f"import time\nfor _ in range({prints}): print(1, flush=True); time.sleep(.1)\n"
        f"while {prints} == 1: time.sleep(60)"
    )
    with restless_clock(faults):
        record = await ended(launcher, folder, python(code, idle_seconds=0.7, env=faults.environment))
    assert record.reason is reason


async def test_too_much_output(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    script = "yes | head -c 3000000; exec sleep 60"
    record = await ended(launcher, folder, order("sh", "-c", script, output_bytes=1_000_000))
    assert record.reason is ExitReason.OUTPUT_LIMIT


async def test_output_up_to_the_limit(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    script = "head -c 500000 /dev/zero; head -c 500000 /dev/zero >&2; sleep .5"
    record = await ended(launcher, folder, order("sh", "-c", script, output_bytes=1_000_000))
    assert record.reason is ExitReason.EXITED


async def test_stop(launcher: Launcher, folder: Path, order: MakeOrder, until_says: Until) -> None:
    launcher.start(folder, order("sh", "-c", "echo ready; exec sleep 60"))
    await until_says(folder / "stdout", "ready")
    launcher.stop(folder)
    launcher.stop(folder)
    record = await launcher.finished(folder)
    assert record is not None
    assert (record.reason, record.signal) == (ExitReason.STOPPED, signal.SIGTERM)


async def test_stop_at_any_moment_of_the_start(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    for number in range(12):
        each = folder.with_name(f"launch{number}")
        launcher.start(each, order("sleep", "60"))
        deadline = time.monotonic() + number * 0.003
        while time.monotonic() < deadline:
            launcher.status(each)
        launcher.stop(each)
        record = await launcher.finished(each)
        assert record is not None
        assert record.reason in {ExitReason.STOPPED, ExitReason.NOT_STARTED}


async def test_a_suspended_command_can_be_stopped(
    launcher: Launcher, folder: Path, order: MakeOrder, until_says: Until
) -> None:
    script = "trap 'exit 9' TERM; echo ready; kill -STOP $$; sleep 60"
    launcher.start(folder, order("sh", "-c", script))
    await until_says(folder / "stdout", "ready")
    launcher.stop(folder)
    record = await launcher.finished(folder)
    assert record is not None
    assert (record.reason, record.code) == (ExitReason.STOPPED, 9)
