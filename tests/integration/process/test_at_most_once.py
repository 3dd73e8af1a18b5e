"""Nothing starts twice: claims, tombstones, copies, and what an observer sees in between."""

import asyncio
import json
import os
import shutil
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codencer.errors import LaunchFailed
from codencer.model.launch import ExitReason, LaunchStatus
from codencer.process.launches import Launcher, Order

if TYPE_CHECKING:
    from tests.integration.process.conftest import HeldPython

pytestmark = pytest.mark.anyio


def temporary(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.count(".") > 1]


MakeOrder = Callable[..., Order]
Until = Callable[[Path, str], Awaitable[str]]


async def test_many_supervisors_on_one_folder_start_one_command(
    folder: Path, tmp_path: Path, order: MakeOrder, held_python: "HeldPython"
) -> None:
    wanted = order("sh", "-c", f"echo $$ >>{tmp_path}/starts; sleep .2")
    launchers = [Launcher(python=str(held_python.program)) for _ in range(4)]
    started = [launcher.start(folder, wanted) for launcher in launchers]
    held_python.let_go(4)
    announced = await asyncio.gather(*(launcher.started(folder) for launcher in launchers))
    records = await asyncio.gather(*(launcher.finished(folder) for launcher in launchers))
    assert len((tmp_path / "starts").read_text().splitlines()) == 1
    assert len(set(announced)) == 1  # those that lost the claim learn of the command from it
    assert len(set(records)) == 1
    assert records[0] is not None
    claim = json.loads((folder / "claim").read_text().splitlines()[0])
    assert claim["pid"] in {each.pid for each in started}
    assert (folder / "supervisor.log").read_bytes() == b""
    assert temporary(folder) == []


async def test_what_was_claimed_is_not_started_again(
    launcher: Launcher, folder: Path, tmp_path: Path, order: MakeOrder
) -> None:
    assert launcher.entomb(folder)
    with pytest.raises(LaunchFailed, match="started or withdrawn before"):
        launcher.start(folder, order("touch", str(tmp_path / "ran")))
    second = folder.with_name("second")
    launcher.start(second, order("true"))
    await launcher.finished(second)
    with pytest.raises(LaunchFailed, match="started or withdrawn before"):
        launcher.start(second, order("touch", str(tmp_path / "ran")))
    assert not (tmp_path / "ran").exists()


async def test_tombstone_before_a_slow_supervisor(
    folder: Path, tmp_path: Path, order: MakeOrder, held_python: "HeldPython"
) -> None:
    launcher = Launcher(python=str(held_python.program))
    launcher.start(folder, order("touch", str(tmp_path / "ran")))
    assert launcher.status(folder) is LaunchStatus.UNCLAIMED
    assert launcher.entomb(folder)
    assert launcher.entomb(folder)
    held_python.let_go()
    assert await launcher.started(folder) is None
    record = await launcher.finished(folder)
    assert record is not None
    assert record.reason is ExitReason.NOT_STARTED
    assert not (tmp_path / "ran").exists()
    assert (folder / "supervisor.log").read_bytes() == b""
    assert launcher.status(folder) is LaunchStatus.ENDED


async def test_tombstone_too_late(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    launcher.start(folder, order("true"))
    await launcher.started(folder)
    assert not launcher.entomb(folder)
    record = await launcher.finished(folder)
    assert record is not None
    assert record.code == 0
    assert not launcher.entomb(folder)


async def test_tombstone_at_any_moment_of_the_start(
    launcher: Launcher, folder: Path, tmp_path: Path, order: MakeOrder
) -> None:
    for number in range(10):
        each, ran = folder.with_name(f"launch{number}"), tmp_path / f"ran{number}"
        launcher.start(each, order("touch", str(ran)))
        for _ in range(number * 40):
            launcher.status(each)
        withdrawn = launcher.entomb(each)
        record = await launcher.finished(each)
        assert record is not None
        assert ran.exists() is not withdrawn
        assert (record.reason is ExitReason.NOT_STARTED) is withdrawn


async def test_no_observer_ever_sees_a_claim_without_its_owner(
    launcher: Launcher, folder: Path, order: MakeOrder
) -> None:
    seen: list[LaunchStatus] = []
    over, alive, go = threading.Event(), threading.Event(), folder.with_name("go")
    os.mkfifo(go)

    def look() -> None:
        while not over.is_set():
            for number in range(5):
                status = launcher.status(folder.with_name(f"launch{number}"))
                if not seen or seen[-1] is not status:
                    seen.append(status)
                if status is LaunchStatus.ALIVE:
                    alive.set()

    observer = threading.Thread(target=look)
    observer.start()
    try:
        for number in range(4):
            launcher.start(folder.with_name(f"launch{number}"), order("true"))
        for number in range(4):
            await launcher.finished(folder.with_name(f"launch{number}"))
        # The last one stays until it has been seen.
        alive.clear()
        launcher.start(folder.with_name("launch4"), order("cat", str(go)))
        assert await asyncio.to_thread(alive.wait, 20)
        await asyncio.to_thread(go.write_text, "on\n")
        await launcher.finished(folder.with_name("launch4"))
    finally:
        over.set()
        observer.join()
    assert LaunchStatus.LOST not in seen


async def test_a_copied_folder_is_not_alive_and_cannot_reach_the_original(
    launcher: Launcher, folder: Path, order: MakeOrder, until_says: Until
) -> None:
    launcher.start(folder, order("sh", "-c", "echo ready; exec sleep 60"))
    await until_says(folder / "stdout", "ready")
    copied = folder.with_name("copied")
    shutil.copytree(folder, copied)
    assert launcher.status(copied) is LaunchStatus.LOST
    assert await launcher.finished(copied) is None
    launcher.stop(copied)
    assert not launcher.entomb(copied)
    assert launcher.status(folder) is LaunchStatus.ALIVE
    launcher.stop(folder)
    await launcher.finished(folder)


async def test_a_claim_of_another_boot_is_not_alive(
    launcher: Launcher, folder: Path, order: MakeOrder, until_says: Until
) -> None:
    launcher.start(folder, order("sh", "-c", "echo ready; exec sleep 60"))
    await until_says(folder / "stdout", "ready")
    claim = (folder / "claim").read_text()
    (folder / "claim").write_text(claim.replace('"boot_id": "', '"boot_id": "an-earlier-'))
    assert launcher.status(folder) is LaunchStatus.LOST
    launcher.stop(folder)
    (folder / "claim").write_text(claim)
    assert launcher.status(folder) is LaunchStatus.ALIVE
    launcher.stop(folder)
    record = await launcher.finished(folder)
    assert record is not None
    assert record.reason is ExitReason.STOPPED
