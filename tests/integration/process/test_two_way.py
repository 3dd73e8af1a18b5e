"""Conversations that outlive whoever leads them: each answer arrives once, in order, and whole."""

import asyncio
import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path

import pytest

from codencer.errors import Conflict, IncompatibleVersion, NotFound
from codencer.model.launch import ExitReason, ExitRecord, LaunchStatus
from codencer.process.conversation import Conversation
from codencer.process.frames import Direction
from codencer.process.launches import Launcher, Order
from codencer.process.watch import changed

pytestmark = pytest.mark.anyio

MakeOrder = Callable[..., Order]
Logged = Callable[[Path, Direction], list[bytes]]
Said = Callable[[Conversation, bytes], Awaitable[bytes]]
Talking = Callable[[Launcher, Path, Order], AbstractAsyncContextManager[Conversation]]

AGENT = """
import json, sys
got, questions = open(sys.argv[1], "a", buffering=1), int(sys.argv[2])
for number in range(questions):
    print(json.dumps({"question": number}), flush=True)
    got.write(sys.stdin.readline())
print(json.dumps({"questions": questions}), flush=True)
for line in sys.stdin:
    got.write("too late: " + line)
sys.exit(3)
"""

DAEMON = """
import asyncio, json, os, signal, socket, sys
from pathlib import Path
from codencer.process.conversation import Conversation
from codencer.process.frames import Direction

def die():
    os.kill(os.getpid(), signal.SIGKILL)

async def answer(talk, number, folder, deaths):
    how, words = deaths.get(number), b'{"answer": %d}\\n' % number
    if how == "before":
        die()
    if how == "half":
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(folder / "socket"))
            line.recv(100)
            line.sendall(b"send %d answer-%d\\n" % (len(words), number) + words[:9])
            die()
    sending = asyncio.ensure_future(talk.send(words, f"answer-{number}"))
    if how == "during":
        await asyncio.sleep(0)  # now all of it is in the socket
        die()
    await sending
    if how == "after":
        die()

async def lead(folder, deaths):
    async with await Conversation.open(folder) as talk:
        rest = b""
        async for frame in talk.frames():
            if frame.direction is Direction.FROM_AGENT:
                *lines, rest = (rest + frame.data).split(b"\\n")
                for said in map(json.loads, lines):
                    if "question" in said:
                        await answer(talk, said["question"], folder, deaths)
                    else:
                        await talk.close_input()

deaths = {int(number): how for number, how in json.loads(sys.argv[2]).items()}
asyncio.run(lead(Path(sys.argv[1]), deaths))
"""


def daemon(folder: Path, deaths: dict[int, str] | None = None) -> subprocess.Popen[bytes]:
    """A process that leads the conversation and dies at the given answers in the given way."""
    return subprocess.Popen([sys.executable, "-c", DAEMON, str(folder), json.dumps(deaths or {})])


async def end_of(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, 30)


async def grown(folder: Path, more: int) -> None:
    """Wait until so many more bytes were said."""
    log = folder / "conversation"
    enough = (await asyncio.to_thread(log.stat)).st_size + more
    async with asyncio.timeout(20), aclosing(changed(log)) as looks:
        async for _ in looks:
            if (await asyncio.to_thread(log.stat)).st_size >= enough:
                return


def answers(number: int) -> list[str]:
    return [json.dumps({"answer": each}) for each in range(number)]


async def ended(launcher: Launcher, folder: Path) -> ExitRecord:
    record = await asyncio.wait_for(launcher.finished(folder), 20)
    assert record is not None
    return record


def went(pid: int) -> Callable[[], bool]:
    """A call that waits for the end of this process, which is alive now."""
    handle = os.pidfd_open(pid)

    def wait() -> bool:
        try:
            return bool(select.select([handle], [], [], 10)[0])
        finally:
            os.close(handle)

    return wait


def agent_pid(notes: list[bytes]) -> int:
    word, _, pid = notes[0].partition(b" ")
    assert word == b"started"
    return int(pid)


@pytest.mark.parametrize("how", ["before", "during", "half", "after"])
async def test_a_daemon_killed_at_an_answer(
    launcher: Launcher, folder: Path, python: MakeOrder, tmp_path: Path, how: str, logged: Logged
) -> None:
    launcher.start(folder, python(AGENT, str(tmp_path / "got"), "4", two_way=True))
    await launcher.started(folder)
    assert await end_of(daemon(folder, {2: how})) == -signal.SIGKILL
    assert launcher.status(folder) is LaunchStatus.ALIVE
    assert await end_of(daemon(folder)) == 0
    record = await ended(launcher, folder)
    assert (record.reason, record.code, record.killed) == (ExitReason.EXITED, 3, ())
    assert (tmp_path / "got").read_text().splitlines() == answers(4)
    assert [line.decode().strip() for line in logged(folder, Direction.TO_AGENT)] == answers(4)


async def test_one_daemon_after_the_other_is_killed(
    launcher: Launcher, folder: Path, python: MakeOrder, tmp_path: Path
) -> None:
    launcher.start(folder, python(AGENT, str(tmp_path / "got"), "9", two_way=True))
    await launcher.started(folder)
    for deaths in ({1: "half"}, {1: "during"}, {3: "before"}, {3: "half"}, {3: "half"}, {8: "after"}):
        assert await end_of(daemon(folder, deaths)) == -signal.SIGKILL
    assert await end_of(daemon(folder)) == 0
    assert (await ended(launcher, folder)).code == 3
    assert (tmp_path / "got").read_text().splitlines() == answers(9)


async def test_daemons_killed_at_any_moment(
    launcher: Launcher, folder: Path, python: MakeOrder, tmp_path: Path, logged: Logged
) -> None:
    chance, number = random.Random(7), 400
    launcher.start(folder, python(AGENT, str(tmp_path / "got"), str(number), two_way=True))
    await launcher.started(folder)
    for _ in range(5):
        leader = daemon(folder)
        await grown(folder, chance.randrange(1, 6000))
        leader.kill()
        assert await end_of(leader) == -signal.SIGKILL
    assert await end_of(daemon(folder)) == 0
    assert (await ended(launcher, folder)).code == 3
    assert (tmp_path / "got").read_text().splitlines() == answers(number)
    assert len(logged(folder, Direction.TO_AGENT)) == number


async def test_an_agent_that_is_killed(
    launcher: Launcher, folder: Path, order: MakeOrder, talking: Talking, said: Said, logged: Logged
) -> None:
    async with talking(launcher, folder, order("cat", two_way=True)) as talk:
        await talk.send(b"one\n", "1")
        await said(talk, b"one\n")
        os.kill(agent_pid(logged(folder, Direction.RELAY)), signal.SIGKILL)
        assert await said(talk, b"never") == b"one\n"
        record = await ended(launcher, folder)
        assert (record.reason, record.code, record.signal) == (ExitReason.EXITED, None, signal.SIGKILL)
        await talk.send(b"one\n", "1")
        with pytest.raises(Conflict, match="2 was not sent"):
            await talk.send(b"two\n", "2")
        await talk.close_input()
    async with await Conversation.open(folder) as later:
        assert later.was_sent("1")
        assert not later.was_sent("2")
        assert await said(later, b"never") == b"one\n"
        await later.send(b"one\n", "1")
        with pytest.raises(Conflict, match="is gone"):
            await later.send(b"two\n", "2")


async def test_a_relay_that_is_killed_takes_the_agent_along(
    launcher: Launcher, folder: Path, order: MakeOrder, said: Said, logged: Logged
) -> None:
    launcher.start(folder, order("sh", "-c", "echo up; exec sleep 60", two_way=True))
    relay = await launcher.started(folder)
    assert relay is not None
    async with await Conversation.open(folder) as talk:
        await said(talk, b"up\n")
        gone = went(agent_pid(logged(folder, Direction.RELAY)))
        os.kill(relay, signal.SIGKILL)
        assert await asyncio.to_thread(gone)
        assert await said(talk, b"never") == b"up\n"
        with pytest.raises(Conflict, match="not sent"):
            await talk.send(b"hello", "1")
    record = await ended(launcher, folder)
    assert (record.reason, record.signal) == (ExitReason.EXITED, signal.SIGKILL)
    async with await Conversation.open(folder) as later:  # the socket is still there, and dead
        assert await said(later, b"never") == b"up\n"


async def test_a_supervisor_that_is_killed_leaves_nobody(
    launcher: Launcher, folder: Path, order: MakeOrder, marker: str, said: Said, logged: Logged
) -> None:
    started = launcher.start(folder, order("sh", "-c", "echo up; exec sleep 60", two_way=True))
    await launcher.started(folder)
    async with await Conversation.open(folder) as talk:
        await said(talk, b"up\n")
        gone = went(agent_pid(logged(folder, Direction.RELAY)))
        os.kill(started.pid, signal.SIGKILL)
        assert await launcher.finished(folder) is None
        assert launcher.status(folder) is LaunchStatus.LOST
        assert await asyncio.to_thread(gone)
        assert await said(talk, b"never") == b"up\n"
    assert launcher.sweep(folder, marker) == []


async def test_sending_goes_on_when_its_caller_is_cancelled(
    launcher: Launcher, folder: Path, order: MakeOrder, talking: Talking, said: Said
) -> None:
    async with talking(launcher, folder, order("cat", two_way=True)) as talk:
        for number in range(20):
            sending = asyncio.create_task(talk.send(b"%d\n" % number, str(number)))
            await asyncio.sleep(0)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await talk.send(b"%d\n" % number, str(number))
        await talk.close_input()
        assert (await said(talk, b"never")).split() == [b"%d" % number for number in range(20)]


async def test_the_newest_conversation_is_in_charge(
    launcher: Launcher, folder: Path, order: MakeOrder, talking: Talking, said: Said
) -> None:
    async with talking(launcher, folder, order("cat", two_way=True)) as first:
        await first.send(b"one\n", "1")
        hearing = asyncio.ensure_future(said(first, b"never"))
        async with await Conversation.open(folder) as second:
            with pytest.raises(Conflict, match="another daemon has taken over"):
                await hearing
            with pytest.raises(Conflict, match="another daemon has taken over"):
                await first.send(b"two\n", "2")
            with pytest.raises(Conflict, match="its input was not closed"):
                await first.close_input()
            with pytest.raises(Conflict, match="idle clock"):
                await first.hold_idle(True)
            await first.send(b"one\n", "1")  # what was sent, was sent
            await second.send(b"one\n", "1")
            await second.send(b"two\n", "2")
            await second.close_input()
            assert await said(second, b"never") == b"one\ntwo\n"
    assert (await ended(launcher, folder)).code == 0


async def test_several_at_once_with_the_same_answers(
    launcher: Launcher, folder: Path, order: MakeOrder, said: Said
) -> None:
    async def speak() -> bool:
        async with await Conversation.open(folder) as talk:
            for number in range(200):
                try:
                    await talk.send(b"%d\n" % number, str(number))
                except Conflict:
                    return False
        return True

    launcher.start(folder, order("cat", two_way=True))
    await launcher.started(folder)
    assert True in await asyncio.gather(*(speak() for _ in range(4)))
    async with await Conversation.open(folder) as talk:
        await talk.close_input()
        assert (await said(talk, b"never")).split() == [b"%d" % number for number in range(200)]
    await ended(launcher, folder)


async def test_the_idle_clock_stands_still_while_a_question_is_open(
    launcher: Launcher, folder: Path, order: MakeOrder
) -> None:
    quiet = order("sh", "-c", "echo question; read answer; sleep 60", idle_seconds=0.4, two_way=True)
    launcher.start(folder, quiet)
    await launcher.started(folder)
    async with await Conversation.open(folder) as talk:
        await talk.hold_idle(True)
        finished = asyncio.create_task(launcher.finished(folder))
        assert await asyncio.wait({finished}, timeout=1) == (set(), {finished})
    assert await asyncio.wait({finished}, timeout=0.8) == (set(), {finished})  # daemon gone, question open
    async with await Conversation.open(folder) as talk:
        await talk.send(b"answer\n", "1")
        await talk.hold_idle(False)
        record = await asyncio.wait_for(finished, 20)
    assert record is not None
    assert record.reason is ExitReason.IDLE_TIMEOUT


async def test_what_is_said_to_nobody_may_be_a_question(
    launcher: Launcher, folder: Path, order: MakeOrder, said: Said
) -> None:
    quiet = order("sh", "-c", "echo question; exec sleep 60", idle_seconds=0.4, two_way=True)
    launcher.start(folder, quiet)
    finished = asyncio.create_task(launcher.finished(folder))
    assert await asyncio.wait({finished}, timeout=1) == (set(), {finished})
    async with await Conversation.open(folder) as talk:
        await said(talk, b"question\n")
        record = await asyncio.wait_for(finished, 20)
    assert record is not None
    assert record.reason is ExitReason.IDLE_TIMEOUT


@pytest.mark.parametrize("greeting", [b"relay 99\n", b"something else\n"])
async def test_a_relay_of_a_newer_version_is_left_alone(
    launcher: Launcher, folder: Path, order: MakeOrder, greeting: bytes
) -> None:
    launcher.start(folder, order("true", two_way=True))
    await ended(launcher, folder)
    hung_up = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        assert await reader.read() == b""
        writer.close()
        hung_up.set()

    async with await asyncio.start_unix_server(greet, folder / "socket"):
        with pytest.raises(IncompatibleVersion, match="it goes on undisturbed"):
            await Conversation.open(folder)
        await asyncio.wait_for(hung_up.wait(), 10)


async def test_a_launch_that_is_no_conversation(launcher: Launcher, folder: Path, order: MakeOrder) -> None:
    launcher.start(folder, order("true"))
    await ended(launcher, folder)
    with pytest.raises(NotFound, match="conversation"):
        await Conversation.open(folder)
