"""One launch from order to record: what the command gets, and what is written down about it."""

import asyncio
import os
import shutil
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from codencer.errors import InvalidInput, LaunchFailed, StorageFailed
from codencer.model.launch import ExitReason, LaunchStatus
from codencer.process.launches import Launcher, Order
from codencer.process.procfs import read_bytes, read_stat

pytestmark = pytest.mark.anyio


def modes(folder: Path) -> dict[str, int]:
    paths = [folder, *folder.iterdir()]
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}


def holding(folder: Path, words: str) -> list[str]:
    return [path.name for path in folder.iterdir() if words.encode() in path.read_bytes()]


MakeOrder = Callable[..., Order]
Until = Callable[[Path, str], Awaitable[str]]


async def test_record_of_an_ordinary_end(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    started = launcher.start(folder, order("sh", "-c", "echo out; echo err >&2; echo $$ >pid; exit 3"))
    pid = await launcher.started(folder)
    record = await launcher.finished(folder)
    assert record is not None
    assert (record.reason, record.code, record.signal, record.error) == (ExitReason.EXITED, 3, None, "")
    assert (record.killed, record.survivors) == ((), ())
    assert record.duration_us > 0
    assert (folder / "stdout").read_bytes() == b"out\n"
    assert (folder / "stderr").read_bytes() == b"err\n"
    assert int((folder.parent / "pid").read_text()) == pid
    assert pid not in {None, started.pid}
    assert launcher.status(folder) is LaunchStatus.ENDED
    assert (folder / "supervisor.log").read_bytes() == b""
    assert await launcher.started(folder) == pid


async def test_folder_is_private(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    launcher.start(folder, order("true", stdin=b"words"))
    await launcher.finished(folder)
    found = modes(folder)
    assert found.pop("launch") == 0o700
    assert set(found.values()) == {0o600}
    assert found.keys() - {"group"} == {
        "launch.json", "claim", "stdin", "stdout", "stderr", "exit.json",
        "supervisor.py", "supervisor.pyc", "supervisor.log",
    }  # fmt: skip


async def test_death_by_signal(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    launcher.start(folder, order("sh", "-c", "kill -SEGV $$"))
    record = await launcher.finished(folder)
    assert record is not None
    assert (record.reason, record.code, record.signal) == (ExitReason.EXITED, None, 11)


async def test_what_it_used(launcher: Launcher, folder: Path, python: MakeOrder) -> None:
    code = "import time; b = bytearray(60_000_000); b[::4096] = b'x' * len(b[::4096])\n"
    launcher.start(folder, python(code + "while time.process_time() < 0.2: pass"))
    record = await launcher.finished(folder)
    assert record is not None
    assert record.cpu_us >= 200_000
    assert record.max_rss_bytes >= 60_000_000


def not_executable(tmp_path: Path) -> str:
    (tmp_path / "plain").write_text("no program\n")
    return str(tmp_path / "plain")


def without_interpreter(tmp_path: Path) -> str:
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    return "./script"


def of_no_format(tmp_path: Path) -> str:
    (tmp_path / "data").write_bytes(b"\0\1\2\3")
    (tmp_path / "data").chmod(0o755)
    return "./data"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (lambda _: "no-such-program", "cannot start no-such-program: No such file or directory"),
        (lambda _: "./no/such/program", "cannot start ./no/such/program: No such file or directory"),
        (not_executable, "plain: Permission denied"),
        (without_interpreter, "cannot start ./script: the interpreter in its first line is missing"),
        (of_no_format, "cannot start ./data: Exec format error"),
        (lambda _: "", None),
    ],
)
async def test_not_startable(
    launcher: Launcher,
    folder: Path,
    tmp_path: Path,
    order: MakeOrder,
    program: Callable[[Path], str],
    said: str | None,
) -> None:
    if said is None:
        with pytest.raises(InvalidInput):
            launcher.start(folder, order(program(tmp_path)))
        return
    launcher.start(folder, order(program(tmp_path)))
    assert await launcher.started(folder) is None
    record = await launcher.finished(folder)
    assert record is not None
    assert record.reason is ExitReason.NOT_STARTED
    assert record.error.endswith(said)
    assert (record.code, record.signal) == (None, None)
    assert launcher.status(folder) is LaunchStatus.ENDED


async def test_missing_working_directory(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    launcher.start(folder, order("true", cwd=folder / "nowhere"))
    record = await launcher.finished(folder)
    assert record is not None
    assert record.reason is ExitReason.NOT_STARTED
    assert record.error == f"cannot enter the working directory {folder}/nowhere: No such file or directory"


async def test_command_line_too_long(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    launcher.start(folder, order("true", "x" * (1 << 18)))
    record = await launcher.finished(folder)
    assert record is not None
    assert record.error == "cannot start true: Argument list too long"


async def test_stdin_of_a_mebibyte(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    words = os.urandom(1 << 20)
    launcher.start(folder, order("cat", stdin=words))
    await launcher.finished(folder)
    assert (folder / "stdout").read_bytes() == words


async def test_without_stdin_it_reads_the_end_at_once(
    launcher: Launcher, folder: Path, order: MakeOrder
) -> None:
    launcher.start(folder, order("sh", "-c", "cat; readlink /proc/self/fd/0"))
    await launcher.finished(folder)
    assert (folder / "stdout").read_text() == "/dev/null\n"


async def test_words_and_folders_that_are_no_unicode(
    launcher: Launcher, folder: Path, tmp_path: Path, order: MakeOrder
) -> None:
    strange = tmp_path / os.fsdecode(b"caf\xe9 \xf0\x9f\x98\x80")
    strange.mkdir()
    word = os.fsdecode(b'\xff\x80 "\\\n')
    launcher.start(folder, order("printf", "%s", word, cwd=strange))
    await launcher.finished(folder)
    assert (folder / "stdout").read_bytes() == os.fsencode(word)
    launcher.start(folder.with_name("second"), order("pwd", cwd=strange))
    await launcher.finished(folder.with_name("second"))
    assert (folder.with_name("second") / "stdout").read_bytes() == os.fsencode(strange) + b"\n"


async def test_environment_is_the_orders_and_is_nowhere_written(
    launcher: Launcher, folder: Path, order: MakeOrder, marker: str
) -> None:
    secret = "s3cr3t-" + marker
    second = folder.with_name("second")
    launcher.start(second, order("sh", "-c", 'sleep 60 & env -u TOKEN; test "$TOKEN"', env={"TOKEN": secret}))
    record = await launcher.finished(second)
    assert record is not None
    assert record.code == 0
    names = {line.partition("=")[0] for line in (second / "stdout").read_text().splitlines()}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"PATH", "CODENCER_LAUNCH"}
    assert holding(second, secret) == []
    assert "stdout" in holding(second, "CODENCER_LAUNCH")


async def test_it_starts_from_a_clean_slate(launcher: Launcher, folder: Path, python: MakeOrder) -> None:
    code = (
        "import os\n"
        "status = dict(line.split(':\\t') for line in open('/proc/self/status') if ':\\t' in line)\n"
        "print(status['SigBlk'].strip(), status['SigIgn'].strip(), os.getsid(0) == os.getpid())\n"
        "print(sorted(os.listdir('/proc/self/fd')))"
    )
    # Python itself ignores PIPE and XFSZ, so it is asked through a shell's eyes.
    launcher.start(folder, python("import os; os.execvp('sh', ['sh', '-c', 'cat /proc/self/status'])"))
    await launcher.finished(folder)
    second = folder.with_name("second")
    launcher.start(second, python(code))
    await launcher.finished(second)
    blocked_ignored_leads, descriptors = (second / "stdout").read_text().splitlines()
    assert blocked_ignored_leads.split()[0] == "0" * 16
    assert blocked_ignored_leads.split()[2] == "True"
    assert descriptors == "['0', '1', '2', '3']"  # 3: the listing itself


async def test_no_signal_is_ignored(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    launcher.start(folder, order("grep", "SigIgn", "/proc/self/status"))
    await launcher.finished(folder)
    ignored = int((folder / "stdout").read_text().split()[1], 16)
    # Signals 32 and 33 belong to the C library, which lets nobody change them back.
    assert ignored & ~(0b11 << 31) == 0


async def test_supervisor_has_a_session_of_its_own_and_is_small(
    launcher: Launcher, folder: Path, order: MakeOrder, until_says: Until
) -> None:
    started = launcher.start(folder, order("sh", "-c", "echo ready; exec sleep 60"))
    agent = await launcher.started(folder)
    assert agent is not None
    await until_says(folder / "stdout", "ready")
    assert os.getsid(started.pid) == started.pid
    assert os.getsid(agent) == agent
    assert b"CODENCER_LAUNCH" not in read_bytes(f"/proc/{started.pid}/environ")
    resident = read_stat(started.pid)
    assert resident is not None
    assert resident.rss_bytes <= 14 * 1024 * 1024
    launcher.stop(folder)
    await launcher.finished(folder)


async def test_output_over_the_limit_counts_however_fast_it_came(
    launcher: Launcher, folder: Path, order: MakeOrder
) -> None:
    launcher.start(folder, order("/bin/sh", "-c", "head -c 200000 /dev/zero", output_bytes=100_000))
    record = await launcher.finished(folder)
    assert record is not None
    assert (record.reason, record.code) == (ExitReason.OUTPUT_LIMIT, 0)


async def test_200_megabytes_of_output(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    launcher.start(folder, order("head", "-c", "200000000", "/dev/zero"))
    record = await launcher.finished(folder)
    assert record is not None
    assert record.code == 0
    assert (folder / "stdout").stat().st_size == 200_000_000


async def test_finished_never_blocks_the_loop(
    launcher: Launcher, folder: Path, order: MakeOrder, no_blocking: BlockBuster
) -> None:
    wanted = order("true")
    await asyncio.to_thread(launcher.start, folder, wanted)
    agent, first, second = await asyncio.gather(
        launcher.started(folder), launcher.finished(folder), launcher.finished(folder)
    )
    assert agent is not None
    assert first == second
    assert first is not None


async def test_another_python_runs_the_source(folder: Path, order: MakeOrder, tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    launcher = Launcher(python=str(other))
    launcher.start(folder, order("echo", "hello"))
    await launcher.finished(folder)
    assert (folder / "stdout").read_text() == "hello\n"
    assert not (folder / "supervisor.pyc").exists()


async def test_python_that_is_gone(folder: Path, order: MakeOrder) -> None:
    with pytest.raises(LaunchFailed, match="nothing runs"):
        Launcher(python="/no/python").start(folder, order("true"))
    assert Launcher().status(folder) is LaunchStatus.UNCLAIMED


def test_folder_that_cannot_be_written(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    (folder / "launch.json").mkdir(parents=True)
    with pytest.raises(StorageFailed, match="nothing was started"):
        launcher.start(folder, order("true"))


@pytest.mark.parametrize("wrong", ["", "new\nline", "schlüssel"])
def test_marker_that_cannot_be_used(launcher: Launcher, folder: Path, order: MakeOrder, wrong: str) -> None:
    good = order("true")
    with pytest.raises(InvalidInput):
        launcher.start(folder, Order(**{**vars(good), "marker": wrong}))
    with pytest.raises(InvalidInput):
        launcher.sweep(folder, wrong)


async def test_supervisors_nobody_awaited_are_reaped(
    launcher: Launcher, folder: Path, order: MakeOrder
) -> None:
    folders = [folder.with_name(f"launch{number}") for number in range(3)]
    for each in folders:
        launcher.start(each, order("true"))
    for each in folders:
        await Launcher().finished(each)
        await launcher.started(each)
    last = folder.with_name("last")
    # The start of a later one may have collected an earlier one.
    mine = [own.process for own in launcher._own.values()]
    pids = [process.pid for process in mine if process.returncode is None]
    for pid in pids:
        await asyncio.to_thread(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    launcher.start(last, order("true"))
    assert [pid for pid in pids if read_stat(pid) is not None] == []
    for each in (*folders, last):
        await launcher.finished(each)
    assert launcher._own == {}


async def test_folder_moved_while_it_runs(
    launcher: Launcher, folder: Path, order: MakeOrder, until_says: Until
) -> None:
    launcher.start(folder, order("sh", "-c", "echo ready; exec sleep 60"))
    await until_says(folder / "stdout", "ready")
    moved = folder.with_name("moved")
    shutil.move(folder, moved)
    later = Launcher()
    assert later.status(moved) is LaunchStatus.ALIVE
    later.stop(moved)
    record = await later.finished(moved)
    assert record is not None
    assert record.reason is ExitReason.STOPPED
    await launcher.finished(folder)
