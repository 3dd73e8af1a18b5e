"""Launches in a sandbox: what they see, and that the record of their end still tells the truth."""

import os
import select
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from codencer.errors import LaunchFailed
from codencer.model.launch import Confinement, ExitReason, ExitRecord, LaunchStatus
from codencer.process.confined import is_confined
from codencer.process.launches import Launcher, Order
from codencer.process.procfs import all_pids, has_in_environment, read_bytes
from codencer.process.sandbox import HOW_TO_GET, find_sandbox

pytestmark = pytest.mark.anyio

MakeOrder = Callable[..., Order]
Until = Callable[[Path, str], Awaitable[str]]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder a confined command works in, and the only one it is given."""
    made = tmp_path / "work"
    made.mkdir()
    return made


@pytest.fixture
def inside(order: MakeOrder, work: Path) -> MakeOrder:
    """`inside("sh", "-c", "…", read=…, hidden=…)`: an order confined to its working folder."""

    def make(*argv: str, seen: dict[str, tuple[str, ...]] | None = None, **rest: object) -> Order:
        also = dict(seen or {})
        confinement = Confinement(write=(str(work), *also.pop("write", ())), **also)
        return order(*argv, cwd=work, confinement=confinement, **rest)

    return make


async def ended(launcher: Launcher, folder: Path, order: Order) -> ExitRecord:
    launcher.start(folder, order)
    record = await launcher.finished(folder)
    assert record is not None
    return record


async def test_a_confined_command_sees_what_it_was_given(
    confining: Launcher, folder: Path, inside: MakeOrder, tmp_path: Path, work: Path
) -> None:
    for name in ("shown", "secret", "shown/inner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    seen = {"read": (str(tmp_path / "shown"),), "hidden": (str(tmp_path / "shown" / "inner"),)}
    script = (
        "pwd; cat ../shown/file; ls ..; ls ../shown/inner; echo x >here; echo x >/tmp/mine; "
        "echo x >../shown/file; echo x >../shown/inner/file; id -u; ls /proc | grep -c '^[0-9]'"
    )
    record = await ended(confining, folder, inside("sh", "-c", script, seen=seen))
    assert record.code == 0
    out = (folder / "stdout").read_text().splitlines()
    assert out[:4] == [str(work), "shownshown", "work", str(os.geteuid())]
    assert int(out[4]) < 8
    assert (work / "here").read_text() == "x\n"
    assert (tmp_path / "shown" / "file").read_text() == "shown"
    assert (tmp_path / "shown" / "inner" / "file").read_text() == "shown/inner"
    assert "mine" not in os.listdir("/tmp")
    assert is_confined(folder)


async def test_links_lead_inside_where_they_lead_outside(
    confining: Launcher, folder: Path, inside: MakeOrder, tmp_path: Path
) -> None:
    (tmp_path / "real" / "tool").mkdir(parents=True)
    (tmp_path / "real" / "tool" / "file").write_text("tool")
    (tmp_path / "via").symlink_to("real")
    (tmp_path / "name").symlink_to(tmp_path / "via" / "tool")
    record = await ended(
        confining,
        folder,
        inside("cat", str(tmp_path / "name" / "file"), seen={"read": (str(tmp_path / "name"),)}),
    )
    assert (record.code, (folder / "stdout").read_text()) == (0, "tool")


async def test_a_copy_is_changed_and_replaced_without_the_file(
    confining: Launcher, folder: Path, inside: MakeOrder, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    seen = {"copied": (str(tmp_path / "one"), str(tmp_path / "two"), str(tmp_path / "gone"))}
    script = "cat ../one ../two; echo x >../new; mv ../new ../one; echo y >>../two; cat ../one ../two"
    record = await ended(confining, folder, inside("sh", "-c", script, seen=seen))
    assert (record.code, (folder / "stdout").read_text()) == (0, "onetwox\ntwoy\n")
    assert [(tmp_path / name).read_text() for name in ("one", "two")] == ["one", "two"]


async def test_a_link_that_an_earlier_agent_made_is_not_followed(
    confining: Launcher, folder: Path, inside: MakeOrder, tmp_path: Path, work: Path
) -> None:
    (tmp_path / "secret").mkdir()
    (work / "settings").symlink_to(tmp_path / "secret")
    seen = {"write": (str(work / "settings"),), "read": (str(work / "settings"),)}
    record = await ended(confining, folder, inside("sh", "-c", "echo x >settings/file", seen=seen))
    assert record.code != 0
    assert list((tmp_path / "secret").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "of_signal"),
    [(3, None), (130, None), (143, None), (None, signal.SIGSEGV), (None, signal.SIGKILL)],
)
async def test_how_it_ended(
    confining: Launcher, folder: Path, inside: MakeOrder, code: int | None, of_signal: int | None
) -> None:
    script = f"exit {code}" if code else f"kill -{of_signal} $$"
    record = await ended(confining, folder, inside("sh", "-c", script))
    assert (record.reason, record.code, record.signal) == (ExitReason.EXITED, code, of_signal)


async def test_a_command_that_is_missing(confining: Launcher, folder: Path, inside: MakeOrder) -> None:
    record = await ended(confining, folder, inside("/no/such/agent"))
    assert record.reason is ExitReason.NOT_STARTED
    assert "/no/such/agent" in record.error


async def test_words_that_env_would_take_for_its_own(
    confining: Launcher, folder: Path, inside: MakeOrder, work: Path
) -> None:
    program = work / "a=b"
    program.write_text("#!/bin/sh\necho $0 $1\n")
    program.chmod(0o755)
    record = await ended(confining, folder, inside("./a=b", "-i"))
    assert (record.code, (folder / "stdout").read_text()) == (0, "./a=b -i\n")


async def test_a_folder_that_is_gone(
    confining: Launcher, folder: Path, order: MakeOrder, tmp_path: Path
) -> None:
    record = await ended(confining, folder, order("true", cwd=tmp_path / "gone", confinement=Confinement()))
    assert record.reason is ExitReason.NOT_STARTED
    assert "no sandbox: bwrap: Can't chdir" in record.error


async def test_what_says_bwrap_and_ends_badly_was_started(
    confining: Launcher, folder: Path, inside: MakeOrder
) -> None:
    record = await ended(confining, folder, inside("sh", "-c", "echo 'bwrap: no such' >&2; exit 1"))
    assert (record.reason, record.code) == (ExitReason.EXITED, 1)


async def test_a_stop_leaves_time_to_tidy_up(
    confining: Launcher, folder: Path, inside: MakeOrder, until_says: Until
) -> None:
    code = "import signal, sys; signal.signal(15, lambda *_: (print('tidied', flush=True), sys.exit(7)))\n"
    code += "print('ready', flush=True)\nsignal.pause()\n"
    reads = {"read": (sys.prefix, sys.base_prefix)}
    confining.start(folder, inside(sys.executable, "-I", "-S", "-c", code, seen=reads))
    await until_says(folder / "stdout", "ready")
    confining.stop(folder)
    record = await confining.finished(folder)
    assert record is not None
    assert (record.reason, record.code) == (ExitReason.STOPPED, 7)
    assert (folder / "stdout").read_text() == "ready\ntidied\n"


async def test_one_that_ignores_the_stop_is_killed(
    confining: Launcher, folder: Path, inside: MakeOrder, until_says: Until
) -> None:
    script = "trap '' TERM; setsid sleep 60 & echo ready; sleep 60"
    confining.start(folder, inside("sh", "-c", script, grace_seconds=0.2))
    await until_says(folder / "stdout", "ready")
    confining.stop(folder)
    record = await confining.finished(folder)
    assert record is not None
    assert (record.reason, record.signal, record.survivors) == (ExitReason.STOPPED, signal.SIGKILL, ())


async def test_what_outlives_the_command_ends_with_it(
    confining: Launcher, folder: Path, inside: MakeOrder, marker: str
) -> None:
    # Its environment, its session and its parent: nothing that it was known by is left.
    script = "setsid env -i sleep 61.5 & setsid env -i sleep 61.5 & exit 4"
    record = await ended(confining, folder, inside("sh", "-c", script))
    assert (record.reason, record.code, record.killed, record.survivors) == (ExitReason.EXITED, 4, (), ())
    assert [pid for pid in all_pids() if read_bytes(f"/proc/{pid}/cmdline") == b"sleep\x0061.5\0"] == []


async def test_without_its_supervisor_nothing_goes_on(
    confining: Launcher, folder: Path, inside: MakeOrder, marker: str, until_says: Until
) -> None:
    supervisor = confining.start(folder, inside("sh", "-c", "setsid sleep 60 & echo ready; sleep 60")).pid
    await until_says(folder / "stdout", "ready")
    inner = [pid for pid in all_pids() if has_in_environment(pid, f"CODENCER_LAUNCH={marker}".encode())]
    handles = [os.pidfd_open(pid) for pid in inner if pid != supervisor]
    assert len(handles) >= 4
    os.kill(supervisor, signal.SIGKILL)
    assert await confining.finished(folder) is None
    for handle in handles:
        _await_end(handle)
        os.close(handle)
    assert confining.status(folder) is LaunchStatus.LOST


def _await_end(handle: int) -> None:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    assert poll.poll(5000)


async def test_an_order_that_cannot_be_kept_is_refused(
    launcher: Launcher, folder: Path, inside: MakeOrder
) -> None:
    with pytest.raises(LaunchFailed, match="there is none"):
        launcher.start(folder, inside("true"))
    assert launcher.status(folder) is LaunchStatus.UNCLAIMED


def test_where_there_is_no_bubblewrap_it_says_how_to_get_it(tmp_path: Path) -> None:
    assert HOW_TO_GET in find_sandbox({"PATH": str(tmp_path)}).problem


def test_bubblewrap_that_is_not_allowed_to_work(tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    found = find_sandbox({"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert "No permissions to create new namespace" in found.problem
