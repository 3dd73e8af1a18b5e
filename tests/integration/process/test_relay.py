"""What a two-way agent notices of the relay between it and the bridge: as little as possible."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from codencer.errors import Conflict, InvalidInput, TooLarge
from codencer.model.launch import Confinement, ExitReason, ExitRecord, LaunchStatus
from codencer.process.conversation import LONGEST_FRAME, Conversation
from codencer.process.frames import Direction
from codencer.process.launches import Launcher, Order

pytestmark = pytest.mark.anyio

MakeOrder = Callable[..., Order]
Logged = Callable[[Path, Direction], list[bytes]]
Said = Callable[[Conversation, bytes], Awaitable[bytes]]
Talking = Callable[[Launcher, Path, Order], AbstractAsyncContextManager[Conversation]]


def contents(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def ended(launcher: Launcher, folder: Path) -> ExitRecord:
    record = await asyncio.wait_for(launcher.finished(folder), 20)
    assert record is not None
    return record


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGABRT, signal.SIGPIPE, signal.SIGCHLD])
async def test_the_agents_own_end_is_the_recorded_one(
    launcher: Launcher, folder: Path, order: MakeOrder, number: signal.Signals
) -> None:
    launcher.start(folder, order("sh", "-c", f"kill -{int(number)} $$; exit 9", two_way=True))
    record = await ended(launcher, folder)
    expected = (9, None) if number is signal.SIGCHLD else (None, number)
    assert (record.reason, record.code, record.signal) == (ExitReason.EXITED, *expected)
    assert not (folder / "socket").exists()


async def test_large_and_binary_frames(
    launcher: Launcher, folder: Path, order: MakeOrder, talking: Talking, said: Said, logged: Logged
) -> None:
    large = bytes(range(256)) * (5 * 4096)
    async with talking(launcher, folder, order("cat", two_way=True)) as talk:
        await talk.send(large, "large")
        await talk.send(b"", "empty")
        await talk.send(b"\n\0\xff agent 1 2 -\n", "odd")
        await talk.close_input()
        heard = await said(talk, b"agent 1 2 -\n")
    assert heard == large + b"\n\0\xff agent 1 2 -\n"
    assert logged(folder, Direction.TO_AGENT) == [large, b"", b"\n\0\xff agent 1 2 -\n"]
    assert (await ended(launcher, folder)).code == 0


async def test_many_small_frames_at_once_never_block_the_loop(
    launcher: Launcher, folder: Path, order: MakeOrder, no_blocking: BlockBuster, said: Said
) -> None:
    frames = [b"%d\n" % number for number in range(3000)]
    await asyncio.to_thread(launcher.start, folder, order("cat", two_way=True))
    await launcher.started(folder)
    async with await Conversation.open(folder) as talk:
        await asyncio.gather(*(talk.send(data, f"n{data.decode().strip()}") for data in frames))
        await talk.close_input()
        assert await said(talk, b"never") == b"".join(frames)
    assert (await ended(launcher, folder)).code == 0


async def test_who_does_not_listen_is_not_talked_at(
    launcher: Launcher,
    folder: Path,
    order: MakeOrder,
    tmp_path: Path,
    talking: Talking,
    said: Said,
    logged: Logged,
) -> None:
    os.mkfifo(tmp_path / "go")
    slow = order("sh", "-c", "read word <go; exec wc -c", cwd=tmp_path, two_way=True)
    async with talking(launcher, folder, slow) as talk:
        await talk.send(b"x" * 5_000_000, "1")
        second = asyncio.create_task(talk.send(b"y" * 5_000_000, "2"))
        assert await asyncio.wait({second}, timeout=0.3) == (set(), {second})
        assert len(logged(folder, Direction.TO_AGENT)) == 1
        await asyncio.to_thread((tmp_path / "go").write_text, "on\n")
        await second
        await talk.close_input()
        assert await said(talk, b"\n") == b"10000000\n"


async def test_the_relay_stands_outside_of_what_wraps_the_agent(
    confining: Launcher, folder: Path, order: MakeOrder, tmp_path: Path, talking: Talking, said: Said
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    inside = Confinement(write=(str(work),))
    script = f"ls -d {folder} 2>/dev/null; echo $PWD; cat"
    asked = order("sh", "-c", script, two_way=True, cwd=work, confinement=inside)
    async with talking(confining, folder, asked) as talk:
        await talk.send(b"on\n", "1")
        await talk.close_input()
        assert await said(talk, b"never") == f"{work}\non\n".encode()


async def test_a_confined_command_that_is_missing(
    confining: Launcher, folder: Path, order: MakeOrder, tmp_path: Path, talking: Talking
) -> None:
    asked = order("/no/agent", two_way=True, confinement=Confinement(write=(str(tmp_path),)))
    async with talking(confining, folder, asked):
        pass
    record = await confining.finished(folder)
    assert record is not None
    assert record.reason is ExitReason.NOT_STARTED
    assert "/no/agent" in record.error


async def test_what_cannot_be_sent(
    launcher: Launcher, folder: Path, order: MakeOrder, talking: Talking, said: Said
) -> None:
    async with talking(launcher, folder, order("sh", "-c", "exec cat", two_way=True)) as talk:
        for key in ("", "two words", "é", "line\n", "x" * 201):
            with pytest.raises(InvalidInput, match="cannot name a frame"):
                await talk.send(b"", key)
        with pytest.raises(TooLarge):
            await talk.send(bytes(LONGEST_FRAME + 1), "1")
        await talk.send(b"yes", "1")
        with pytest.raises(Conflict, match="something else was sent"):
            await talk.send(b"no", "1")
        await talk.close_input()
        await talk.close_input()
        with pytest.raises(Conflict, match="2 was not sent"):
            await talk.send(b"more", "2")
        assert await said(talk, b"never") == b"yes"


async def test_an_agent_that_closes_its_input_goes_on(
    launcher: Launcher, folder: Path, order: MakeOrder, tmp_path: Path, talking: Talking, said: Said
) -> None:
    os.mkfifo(tmp_path / "go")
    script = "exec <&-; echo deaf; read word <go; echo end"
    async with talking(launcher, folder, order("sh", "-c", script, cwd=tmp_path, two_way=True)) as talk:
        await said(talk, b"deaf\n")
        await talk.send(b"are you there?", "1")  # into a pipe that nobody reads, as the system has it
        with pytest.raises(Conflict, match="takes no more input; 2 was not sent"):
            await talk.send(b"hello?", "2")
        await asyncio.to_thread((tmp_path / "go").write_text, "on\n")
        assert await said(talk, b"end") == b"deaf\nend\n"


async def test_who_speaks_nonsense_is_cut_off(
    launcher: Launcher, folder: Path, order: MakeOrder, said: Said, logged: Logged
) -> None:
    def rejected(words: bytes) -> bool:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(str(folder / "socket"))
            assert line.recv(100) == b"relay 1\n"
            line.sendall(words)
            return line.recv(100) == b""

    launcher.start(folder, order("cat", two_way=True))
    await launcher.started(folder)
    async with await Conversation.open(folder):
        assert not logged(folder, Direction.TO_AGENT)
    for words in (b"\n", b"send -1 x\n", b"send x x\n", b"send 99999999999 x\n", b"x" * 600, b"send 1\nx"):
        assert await asyncio.to_thread(rejected, words)
    async with await Conversation.open(folder) as talk:
        await talk.send(b"sense\n", "1")
        await talk.close_input()
        assert await said(talk, b"never") == b"sense\n"
    await ended(launcher, folder)


@pytest.mark.parametrize("problem", ["missing", "folder", "interpreter"])
async def test_an_agent_that_cannot_be_started(
    launcher: Launcher, folder: Path, order: MakeOrder, tmp_path: Path, problem: str
) -> None:
    (tmp_path / "script").write_text("#!/nowhere/at/all\n")
    (tmp_path / "script").chmod(0o755)
    wanted, why = {
        "missing": (order("no-such-agent", two_way=True), "cannot start no-such-agent: No such file"),
        "folder": (order("cat", cwd=tmp_path / "gone", two_way=True), "cannot enter the working directory"),
        "interpreter": (order(str(tmp_path / "script"), two_way=True), "interpreter in its first line"),
    }[problem]
    launcher.start(folder, wanted)
    record = await ended(launcher, folder)
    assert (record.reason, record.code) == (ExitReason.NOT_STARTED, None)
    assert why in record.error
    async with await Conversation.open(folder) as talk:
        assert [frame.direction async for frame in talk.frames()] == [Direction.RELAY]


async def test_limits_hold_while_nobody_listens(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    launcher.start(folder, order("yes", output_bytes=1_000_000, two_way=True))
    assert (await ended(launcher, folder)).reason is ExitReason.OUTPUT_LIMIT
    silent = folder.with_name("silent")
    launcher.start(silent, order("sleep", "60", idle_seconds=0.3, two_way=True))
    assert (await ended(launcher, silent)).reason is ExitReason.IDLE_TIMEOUT


async def test_stopping_leaves_the_agent_its_grace(
    launcher: Launcher, folder: Path, order: MakeOrder, talking: Talking, said: Said
) -> None:
    script = "trap 'echo bye; exit 7' TERM; echo up; sleep 60 & wait"
    async with talking(launcher, folder, order("sh", "-c", script, two_way=True)) as talk:
        await said(talk, b"up\n")
        launcher.stop(folder)
        assert await said(talk, b"never") == b"up\nbye\n"
    record = await ended(launcher, folder)
    assert (record.reason, record.code) == (ExitReason.STOPPED, 7)
    assert [note.name for note in record.killed] in ([], ["sleep"])


async def test_an_agent_that_ignores_everything(
    launcher: Launcher, folder: Path, order: MakeOrder, talking: Talking, said: Said
) -> None:
    stubborn = order("sh", "-c", "trap '' TERM; echo up; sleep 60; sleep 60", grace_seconds=0.2, two_way=True)
    async with talking(launcher, folder, stubborn) as talk:
        await said(talk, b"up\n")
        launcher.stop(folder)
        record = await ended(launcher, folder)
    assert (record.reason, record.signal, record.survivors) == (ExitReason.STOPPED, signal.SIGKILL, ())


async def test_last_words_are_heard_although_somebody_keeps_the_pipe_open(
    launcher: Launcher, folder: Path, order: MakeOrder, logged: Logged
) -> None:
    script = "sleep 60 & head -c 60000 /dev/zero; echo end; exit 4"
    launcher.start(folder, order("sh", "-c", script, two_way=True))
    record = await ended(launcher, folder)
    assert record.code == 4
    # Its name depends on whether the shell's child had become `sleep` by then.
    assert [note.name for note in record.killed] in (["sleep"], ["sh"])
    assert b"".join(logged(folder, Direction.FROM_AGENT)) == bytes(60000) + b"end\n"


async def test_the_agent_gets_what_it_would_get_alone(
    launcher: Launcher, folder: Path, python: MakeOrder, tmp_path: Path, logged: Logged
) -> None:
    code = """
import json, os, signal, sys
files = [os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in os.listdir("/proc/self/fd")[:-1]]
blocked = [line for line in open("/proc/self/status") if line.startswith(("SigBlk", "SigIgn"))]
mask = os.umask(0)
json.dump([files, blocked, mask, open("/proc/self/environ").read(), os.getcwd()], sys.stdout)
"""
    heard = []
    for name, two_way in (("alone", False), ("relayed", True)):
        place = folder.with_name(name)
        launcher.start(place, python(code, two_way=two_way))
        assert (await ended(launcher, place)).code == 0
        text = b"".join(logged(place, Direction.FROM_AGENT)) if two_way else (place / "stdout").read_bytes()
        heard.append(json.loads(text))
    alone, relayed = heard
    assert relayed[1:] == alone[1:]
    assert relayed[0] == ["pipe", "pipe", str(folder.with_name("relayed") / "stderr")]


async def test_a_launch_folder_too_deep_for_a_socket(
    launcher: Launcher, tmp_path: Path, order: MakeOrder, talking: Talking, said: Said
) -> None:
    folder = tmp_path / ("deep" * 30) / "launch"
    async with talking(launcher, folder, order("cat", two_way=True)) as talk:
        assert (folder / "socket").stat().st_mode & 0o777 == 0o600
        await talk.send(b"hello", "1")
        await talk.close_input()
        assert await said(talk, b"never") == b"hello"
    assert (await ended(launcher, folder)).code == 0


async def test_hearing_goes_on_from_any_position(
    launcher: Launcher, folder: Path, order: MakeOrder, talking: Talking
) -> None:
    async with talking(launcher, folder, order("cat", two_way=True)) as talk:
        for number in range(5):
            await talk.send(b"%d" % number, str(number))
        await talk.close_input()
        frames = [frame async for frame in talk.frames()]
        assert [frame.at_ns for frame in frames] == sorted(frame.at_ns for frame in frames)
        for done, frame in enumerate(frames, 1):
            assert [each async for each in talk.frames(frame.position)] == frames[done:]


async def test_no_input_from_the_start(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    with pytest.raises(InvalidInput, match="send it as the first frame"):
        launcher.start(folder, order("cat", stdin=b"words", two_way=True))
    assert launcher.status(folder) is LaunchStatus.UNCLAIMED


def test_a_relay_that_cannot_log_stops_the_agent(tmp_path: Path) -> None:
    program = Path(sys.modules["codencer"].__file__ or "").with_name("relay.py")
    with open("/dev/full", "wb") as full:
        relay = subprocess.run(
            [sys.executable, "-I", "-S", program, "0", tmp_path, "sh", "-c", "echo hello; exec sleep 60"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            start_new_session=True,
            timeout=20,
            check=False,
        )
    assert relay.returncode == -signal.SIGKILL
    assert b"cannot be kept: [Errno 28] No space left on device; the agent was stopped" in relay.stderr


async def test_the_folder_is_private_and_holds_no_secret(
    launcher: Launcher, folder: Path, order: MakeOrder
) -> None:
    launcher.start(folder, order("true", env={"TOKEN": "hush-hush"}, two_way=True))
    await ended(launcher, folder)
    held = {path.name: (path.stat().st_mode & 0o777, path.read_bytes()) for path in contents(folder)}
    assert held.keys() - {"group"} == {
        *("launch.json", "claim", "conversation", "stderr", "exit.json", "supervisor.log"),
        *("supervisor.py", "supervisor.pyc", "relay.py", "relay.pyc"),
    }
    assert {mode for mode, _ in held.values()} == {0o600}
    assert not any(b"hush-hush" in content for _, content in held.values())
