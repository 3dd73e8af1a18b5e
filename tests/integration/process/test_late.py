"""Whoever comes late, or from another version: supervisors, and commands whose daemon is dead."""

import os
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from codencer.model.launch import ExitReason, LaunchStatus
from codencer.process import folder as folders
from codencer.process import tree
from codencer.process.launches import Launcher, Order

pytestmark = pytest.mark.anyio

MakeOrder = Callable[..., Order]


async def test_a_supervisor_later_than_the_removal_of_its_launch_starts_nothing(
    launcher: Launcher, folder: Path, tmp_path: Path, order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    write = folders.write_file

    def write_pipe(path: Path, content: bytes, *, durable: bool = False) -> None:
        write(path, content, durable=durable)
        if path.name == "launch.json":
            path.rename(held.with_name("order"))
            path.symlink_to(held)

    monkeypatch.setattr(folders, "write_file", write_pipe)
    launcher.start(folder, order("touch", str(tmp_path / "ran")))
    with held.open("wb") as late:
        # The moment in a removal when the claim is gone and the folder is not.
        (folder / "launch.json").unlink()
        late.write((tmp_path / "order").read_bytes())
    assert await launcher.started(folder) is None
    await launcher.finished(folder)
    assert not (tmp_path / "ran").exists()


async def test_removal_takes_the_orders_first(launcher: Launcher, tmp_path: Path, order: MakeOrder) -> None:
    launcher.start(tmp_path / "attempt" / "agent-1", order("true"))
    await launcher.finished(tmp_path / "attempt" / "agent-1")
    folders.discard(tmp_path / "attempt")
    assert not (tmp_path / "attempt").exists()
    folders.discard(tmp_path / "attempt")


async def test_a_supervisor_of_the_version_before_stays_usable(
    launcher: Launcher,
    folder: Path,
    order: MakeOrder,
    until_says: Callable[[Path, str], Awaitable[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launcher.start(folder, order("sh", "-c", "echo ready; exec sleep 60"))
    await until_says(folder / "stdout", "ready")
    monkeypatch.setattr(folders, "PROTOCOL", folders.PROTOCOL + 1)
    monkeypatch.setattr(folders, "UNDERSTOOD", (folders.PROTOCOL - 1, folders.PROTOCOL))
    upgraded = Launcher()
    assert upgraded.status(folder) is LaunchStatus.ALIVE
    assert await upgraded.started(folder) is not None
    upgraded.stop(folder)
    record = await upgraded.finished(folder)
    assert record is not None
    assert record.reason is ExitReason.STOPPED
    await launcher.finished(folder)


def test_the_current_protocol_and_the_one_before_are_understood() -> None:
    wanted = {folders.PROTOCOL, folders.PROTOCOL - 1} - {0}
    assert set(folders.UNDERSTOOD) == wanted
    source = (Path(folders.__file__).parents[1] / "supervisor.py").read_text()
    assert f"\nPROTOCOL = {folders.PROTOCOL}\n" in source


async def test_a_command_that_outlived_its_daemon_is_waited_for_and_then_killed(
    bystander: Callable[..., "subprocess.Popen[bytes]"],
) -> None:
    hanging, other = bystander({"CODENCER_TEST": "mine"}), bystander({"CODENCER_TEST": "mine-not"})
    noted = tree.see_out("CODENCER_TEST=mine", 0.1)
    assert [each.pid for each in noted] == [hanging.pid]
    assert hanging.wait(10) == -signal.SIGKILL
    assert other.poll() is None
