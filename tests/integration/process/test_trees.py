"""Whole trees: whatever a command leaves behind is found, ended and named."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from codencer.model.launch import ExitReason, ExitRecord
from codencer.process import groups, tree
from codencer.process.folder import discard, read_group
from codencer.process.launches import Launcher, Order
from codencer.process.procfs import read_stat

pytestmark = pytest.mark.anyio

MakeOrder = Callable[..., Order]
MakeBystander = Callable[..., subprocess.Popen[bytes]]
Until = Callable[[Path, str], Awaitable[str]]

IN_OWN_SESSION = "setsid sh -c 'echo $$; exec sleep 60' & "
DOUBLE_FORK = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(os.getpid(), flush=True)
        time.sleep(60)
    os._exit(0)
os.wait()
while not os.fstat(1).st_size: pass
"""
STORM = """
import os, time
end = time.monotonic() + 30
for _ in range(3):
    if os.fork() == 0:
        while time.monotonic() < end:
            if os.fork(): os._exit(0)
            os.setsid()
        os._exit(0)
print("ready", flush=True)
time.sleep(60)
"""
HIDDEN = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stay = "import time; print(os.getpid(), flush=True); time.sleep(60)"
        os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", "import os; " + stay], {})
    os._exit(0)
time.sleep(60)
"""
MANY = """
import os, time
for _ in range(6):
    os.fork()
    if os.getpid() % 2: os.setsid() if os.getpgrp() != os.getpid() else None
print("x", flush=True)
time.sleep(60)
"""


async def ended(launcher: Launcher, folder: Path, order: Order) -> ExitRecord:
    launcher.start(folder, order)
    record = await launcher.finished(folder)
    assert record is not None
    return record


async def test_a_child_holding_the_output_open_delays_nothing(
    launcher: Launcher, folder: Path, order: MakeOrder
) -> None:
    record = await ended(launcher, folder, order("sh", "-c", "sleep 60 & exit 4"))
    assert (record.reason, record.code) == (ExitReason.EXITED, 4)
    assert [note.name in {"sh", "sleep"} for note in record.killed] == [True]  # before or after its exec
    assert record.survivors == ()


async def test_grandchildren_in_sessions_of_their_own(
    launcher: Launcher, folder: Path, order: MakeOrder
) -> None:
    script = IN_OWN_SESSION * 3 + 'while [ "$(wc -l <"$0")" -lt 3 ]; do :; done'
    record = await ended(launcher, folder, order("sh", "-c", script, str(folder / "stdout")))
    pids = {int(line) for line in (folder / "stdout").read_text().split()}
    assert len(pids) == 3
    assert {note.pid for note in record.killed} == pids


async def test_grandchildren_of_a_command_that_is_stopped(
    launcher: Launcher, folder: Path, order: MakeOrder, until_says: Until
) -> None:
    launcher.start(folder, order("sh", "-c", IN_OWN_SESSION + "sleep 60"))
    grandchild = int(await until_says(folder / "stdout", "\n"))
    launcher.stop(folder)
    record = await launcher.finished(folder)
    assert record is not None
    assert grandchild in {note.pid for note in record.killed}


async def test_a_daemon_that_ignores_term(launcher: Launcher, folder: Path, python: MakeOrder) -> None:
    record = await ended(launcher, folder, python(DOUBLE_FORK))
    assert (record.reason, record.code) == (ExitReason.EXITED, 0)
    assert [note.pid for note in record.killed] == [int((folder / "stdout").read_text())]


async def test_leftovers_may_say_goodbye(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    left = "(trap 'echo bye; exit 0' TERM; sleep 60 & echo here; wait) & "
    script = left + 'while [ "$(wc -c <"$0")" = 0 ]; do :; done'
    record = await ended(launcher, folder, order("sh", "-c", script, str(folder / "stdout")))
    assert (folder / "stdout").read_text() == "here\nbye\n"
    assert len(record.killed) == 2


async def test_fork_storm(launcher: Launcher, folder: Path, python: MakeOrder, until_says: Until) -> None:
    launcher.start(folder, python(STORM, grace_seconds=0.2))
    await until_says(folder / "stdout", "ready")
    launcher.stop(folder)
    record = await launcher.finished(folder)
    assert record is not None
    assert record.survivors == ()


async def test_a_wide_tree(launcher: Launcher, folder: Path, python: MakeOrder, until_says: Until) -> None:
    launcher.start(folder, python(MANY, grace_seconds=1))
    await until_says(folder / "stdout", "x\n" * 64)
    usage = tree.usage(folder)
    assert usage is not None
    assert usage.processes == 64
    assert usage.rss_bytes > 64 * 100_000
    launcher.stop(folder)
    record = await launcher.finished(folder)
    assert record is not None
    assert record.survivors == ()
    assert tree.usage(folder) is None


async def test_a_marked_process_that_is_no_descendant(
    launcher: Launcher, folder: Path, order: MakeOrder, marker: str, bystander: MakeBystander
) -> None:
    escaped = bystander({"CODENCER_LAUNCH": marker})
    record = await ended(launcher, folder, order("true"))
    assert await asyncio.to_thread(escaped.wait, 10) == -9
    assert [(note.pid, note.name) for note in record.killed] == [(escaped.pid, "sleep")]


async def test_a_similar_marker_is_another_launch(
    launcher: Launcher, folder: Path, order: MakeOrder, marker: str, bystander: MakeBystander
) -> None:
    other = bystander({"CODENCER_LAUNCH": marker + "0"})
    record = await ended(launcher, folder, order("true"))
    assert record.killed == ()
    assert launcher.sweep(folder, marker) == []
    assert other.poll() is None


@pytest.mark.skipif(groups.home() is None, reason="this user may make no control groups (cgroup v2) here")
async def test_a_tree_without_a_supervisor_hides_from_everything_but_its_group(
    launcher: Launcher, folder: Path, python: MakeOrder, until_says: Until, marker: str
) -> None:
    started = launcher.start(folder, python(HIDDEN))
    hidden = int(await until_says(folder / "stdout", "\n"))
    os.kill(started.pid, signal.SIGKILL)
    assert await launcher.finished(folder) is None
    # The command itself may be found: it dies with its supervisor, but a moment after the lock is free.
    assert hidden not in {note.pid for note in tree.sweep(marker)}
    assert read_stat(hidden) is not None
    assert launcher.sweep(folder, f"{marker}-of-a-copy") == []
    swept = launcher.sweep(folder, marker)
    assert hidden in {note.pid for note in swept}
    stat = read_stat(hidden)
    assert stat is None or stat.state == "Z"
    group = read_group(folder)
    discard(folder.parent)
    assert group is not None
    assert not group.exists()


async def test_an_ended_launch_leaves_no_group(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    await ended(launcher, folder, order("true"))
    group = read_group(folder)
    discard(folder.parent)
    assert group is None or not group.exists()
