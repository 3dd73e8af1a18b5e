"""What is left when somebody dies: the daemon, the supervisor, or nobody but long ago."""

import asyncio
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codencer.errors import IncompatibleVersion
from codencer.model.launch import ExitReason, LaunchStatus
from codencer.process.launches import Launcher, Order
from codencer.process.procfs import read_stat

if TYPE_CHECKING:
    from tests.integration.process.conftest import HeldPython

pytestmark = pytest.mark.anyio

MakeOrder = Callable[..., Order]
Until = Callable[[Path, str], Awaitable[str]]

DAEMON = """
import os, sys, time
from pathlib import Path
from codencer.model.launch import Launch, Limits
from codencer.process.launches import Launcher, Order
folder, marker, *argv = sys.argv[1:]
order = Order(launch=Launch(argv=tuple(argv)), limits=Limits(), cwd=Path(folder).parent,
              env={"PATH": os.environ["PATH"]}, marker=marker)
launcher = Launcher()
launcher.start(Path(folder), order)
print("started", flush=True)
if sys.stdin.readline():
    launcher.let_go()
else:
    time.sleep(60)
"""


def killed_daemon(folder: Path, marker: str, *argv: str) -> None:
    """A daemon that starts a launch and is killed at once, with its whole process group."""
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(folder), marker, *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == b"started\n"
        os.killpg(daemon.pid, signal.SIGKILL)


@pytest.mark.parametrize("pidfds", [True, False])
async def test_a_launch_outlives_the_daemon_and_is_adopted(
    folder: Path,
    tmp_path: Path,
    marker: str,
    until_says: Until,
    monkeypatch: pytest.MonkeyPatch,
    pidfds: bool,
) -> None:
    os.mkfifo(tmp_path / "go")
    script = f"echo ready; read word <{tmp_path}/go; echo got $word; exit 5"
    await asyncio.to_thread(killed_daemon, folder, marker, "sh", "-c", script)
    if not pidfds:
        monkeypatch.delattr(os, "pidfd_open")
    await until_says(folder / "stdout", "ready")
    later = Launcher()
    agent = await later.started(folder)
    assert agent is not None
    assert later.status(folder) is LaunchStatus.ALIVE
    waiting = asyncio.create_task(later.finished(folder))
    await asyncio.to_thread((tmp_path / "go").write_text, "on\n")
    record = await asyncio.wait_for(waiting, 20)
    assert record is not None
    assert (record.reason, record.code) == (ExitReason.EXITED, 5)
    assert (folder / "stdout").read_text() == "ready\ngot on\n"
    assert later.status(folder) is LaunchStatus.ENDED
    assert await later.started(folder) == agent


async def test_a_daemon_that_lets_go_leaves_quietly(folder: Path, marker: str, until_says: Until) -> None:
    daemon = await asyncio.to_thread(
        subprocess.run,
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            DAEMON,
            str(folder),
            marker,
            "sh",
            "-c",
            "echo ready; sleep 60",
        ],
        input=b"go\n",
        capture_output=True,
        check=False,
    )
    assert (daemon.returncode, daemon.stderr) == (0, b"")
    await until_says(folder / "stdout", "ready")
    later = Launcher()
    assert later.status(folder) is LaunchStatus.ALIVE
    later.stop(folder)
    assert await later.finished(folder) is not None


async def test_limits_hold_without_a_daemon(folder: Path, order: MakeOrder, launcher: Launcher) -> None:
    launcher.start(folder, order("sleep", "60", wall_seconds=0.3))
    await launcher.started(folder)
    record = await Launcher().finished(folder)
    await launcher.finished(folder)
    assert record is not None
    assert record.reason is ExitReason.TIMEOUT


async def test_stopping_a_launch_of_an_earlier_daemon(folder: Path, marker: str, until_says: Until) -> None:
    await asyncio.to_thread(killed_daemon, folder, marker, "sh", "-c", "echo ready; exec sleep 60")
    await until_says(folder / "stdout", "ready")
    later = Launcher()
    later.stop(folder)
    record = await later.finished(folder)
    assert record is not None
    assert record.reason is ExitReason.STOPPED


async def test_supervisor_killed_while_something_goes_on(
    launcher: Launcher, folder: Path, order: MakeOrder, until_says: Until, marker: str
) -> None:
    script = "setsid sh -c 'echo $$; exec sleep 60' & sleep 60"
    started = launcher.start(folder, order("sh", "-c", script))
    agent = await launcher.started(folder)
    grandchild = int(await until_says(folder / "stdout", "\n"))
    assert agent is not None
    os.kill(started.pid, signal.SIGKILL)
    assert await launcher.finished(folder) is None
    assert launcher.status(folder) is LaunchStatus.LOST
    assert not launcher.entomb(folder)
    assert read_stat(grandchild) is not None
    swept = launcher.sweep(folder, marker)
    assert grandchild in {note.pid for note in swept}
    assert launcher.sweep(folder, marker) == []
    assert {None, "Z"} >= {stat.state if (stat := read_stat(pid)) else None for pid in (agent, grandchild)}


async def test_the_command_does_not_outlive_its_supervisor(
    launcher: Launcher, folder: Path, order: MakeOrder, until_says: Until
) -> None:
    started = launcher.start(folder, order("sh", "-c", "echo ready; exec sleep 60"))
    agent = await launcher.started(folder)
    assert agent is not None
    await until_says(folder / "stdout", "ready")
    handle = os.pidfd_open(agent)
    try:
        os.kill(started.pid, signal.SIGKILL)
        await launcher.finished(folder)
        assert await asyncio.to_thread(_ended, handle)
    finally:
        os.close(handle)


def _ended(handle: int) -> bool:
    return bool(select.select([handle], [], [], 10)[0])


async def test_supervisor_killed_before_its_claim(
    folder: Path, order: MakeOrder, tmp_path: Path, held_python: "HeldPython"
) -> None:
    launcher = Launcher(python=str(held_python.program))
    started = launcher.start(folder, order("touch", str(tmp_path / "ran")))
    os.kill(started.pid, signal.SIGKILL)
    assert await launcher.started(folder) is None
    assert await launcher.finished(folder) is None
    assert launcher.status(folder) is LaunchStatus.UNCLAIMED
    assert launcher.entomb(folder)
    assert not (tmp_path / "ran").exists()


async def test_stop_after_the_end_signals_nobody_with_a_reused_number(
    launcher: Launcher, folder: Path, order: MakeOrder, bystander: Callable[[], subprocess.Popen[bytes]]
) -> None:
    launcher.start(folder, order("true"))
    await launcher.finished(folder)
    launcher.stop(folder)
    innocent = bystander()
    claim = folder / "claim"
    said = json.loads(claim.read_text().splitlines()[0])
    claim.write_text(json.dumps({**said, "pid": innocent.pid}))
    launcher.stop(folder)
    with claim.open("rb") as held:  # and even if the lock is held: it is another process
        fcntl.flock(held, fcntl.LOCK_EX)
        launcher.stop(folder)
    with pytest.raises(subprocess.TimeoutExpired):
        await asyncio.to_thread(innocent.wait, 0.2)


async def test_owner_that_cannot_be_seen_is_awaited_by_its_lock(
    launcher: Launcher, folder: Path, order: MakeOrder
) -> None:
    launcher.start(folder, order("true"))
    record = await launcher.finished(folder)
    claim = folder / "claim"
    said = json.loads(claim.read_text().splitlines()[0])
    claim.write_text(json.dumps({**said, "start_ticks": 1, "pid": os.getpid()}))
    with claim.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = asyncio.create_task(Launcher().finished(folder))
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
    assert await asyncio.wait_for(waiting, 10) == record


@pytest.mark.parametrize("announces", [True, False])
async def test_adopted_between_claim_and_start(
    launcher: Launcher, folder: Path, order: MakeOrder, announces: bool
) -> None:
    launcher.start(folder, order("true"))
    await launcher.finished(folder)
    claim = folder / "claim"
    said = json.loads(claim.read_text().splitlines()[0])
    mine = read_stat(os.getpid())
    assert mine is not None
    claim.write_text(json.dumps({**said, "start_ticks": mine.start_ticks + 1, "pid": os.getpid()}) + "\n")
    with claim.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = asyncio.create_task(Launcher().started(folder))
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        if announces:
            await asyncio.to_thread(held.write, b'{"agent": 42}\n')
            held.flush()
            assert await asyncio.wait_for(waiting, 10) == 42
    assert await asyncio.wait_for(waiting, 10) == (42 if announces else None)


async def test_record_of_a_newer_supervisor(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    launcher.start(folder, order("true"))
    await launcher.finished(folder)
    record = folder / "exit.json"
    said = json.loads(record.read_text())
    record.write_text(json.dumps({**said, "protocol": 99}))
    with pytest.raises(IncompatibleVersion, match="protocol 99"):
        await launcher.finished(folder)
    record.write_text(json.dumps({**said, "a_later_addition": 1}))
    assert launcher.status(folder) is LaunchStatus.ENDED


async def test_a_hundred_adoptions_at_once(
    launcher: Launcher, folder: Path, order: MakeOrder, until_says: Until
) -> None:
    launcher.start(folder, order("sh", "-c", "echo ready; exec sleep 60"))
    await until_says(folder / "stdout", "ready")
    later = Launcher()
    assert None not in await asyncio.gather(*(later.started(folder) for _ in range(100)))
    waits = [asyncio.create_task(later.finished(folder)) for _ in range(100)]
    launcher.stop(folder)
    assert None not in await asyncio.gather(*waits)
    await launcher.finished(folder)
