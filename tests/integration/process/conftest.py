"""Real process trees, and the proof after each test that nothing of them is left."""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path

import pytest

from codencer.model.launch import Confinement, Launch, Limits
from codencer.process.conversation import Conversation
from codencer.process.frames import Direction, read_frames
from codencer.process.launches import Launcher, Order
from codencer.process.procfs import all_pids, has_in_environment, read_bytes, read_stat
from codencer.process.sandbox import Sandbox
from codencer.process.watch import changed


def zombies() -> set[int]:
    stats = [stat for pid in all_pids() if (stat := read_stat(pid)) is not None]
    return {stat.pid for stat in stats if stat.parent == os.getpid() and stat.state == "Z"}


@pytest.fixture
def marker() -> Iterator[str]:
    """A marker no other test has; afterwards no process has it, and no zombie of ours is left."""
    mine = f"test-{uuid.uuid4()}"
    before = zombies()
    yield mine
    left = [pid for pid in all_pids() if has_in_environment(pid, f"CODENCER_LAUNCH={mine}".encode())]
    assert left == [], [read_bytes(f"/proc/{pid}/cmdline") for pid in left]
    assert zombies() <= before


@pytest.fixture
def launcher() -> Launcher:
    return Launcher()


@pytest.fixture
def confining(sandbox: Sandbox) -> Launcher:
    """A launcher that can keep an order's confinement."""
    return Launcher(sandbox=sandbox)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "launch"


class HeldPython:
    """A Python that starts only once it is let go, for supervisors that come late or never."""

    def __init__(self, folder: Path) -> None:
        self.program, gate = folder / "held-python", folder / "gate"
        os.mkfifo(gate)
        self.program.write_text(f'#!/bin/sh\nread line <{gate}\nexec {sys.executable} "$@"\n')
        self.program.chmod(0o755)
        self._gate = os.open(gate, os.O_RDWR)  # both ends, so that nobody waits for the other one

    def let_go(self, number: int = 1) -> None:
        """Let so many of them start, whether they have come to the gate or not."""
        os.write(self._gate, b"\n" * number)

    def close(self) -> None:
        os.close(self._gate)


@pytest.fixture
def held_python(tmp_path: Path) -> Iterator[HeldPython]:
    held = HeldPython(tmp_path)
    yield held
    held.close()


@pytest.fixture
def order(tmp_path: Path, marker: str) -> Callable[..., Order]:
    """`order("sh", "-c", "…", stdin=b"…", env={…}, cwd=…, wall_seconds=…, …)`."""

    def make(
        *argv: str,
        stdin: bytes = b"",
        env: dict[str, str] | None = None,
        cwd: Path = tmp_path,
        wall_seconds: float = 60,
        idle_seconds: float = 0,
        output_bytes: int = 1 << 30,
        grace_seconds: float = 5,
        two_way: bool = False,
        confinement: Confinement | None = None,
    ) -> Order:
        return Order(
            launch=Launch(argv=argv, stdin=stdin),
            limits=Limits(
                wall_seconds=wall_seconds,
                idle_seconds=idle_seconds,
                output_bytes=output_bytes,
                grace_seconds=grace_seconds,
            ),
            cwd=cwd,
            env={"PATH": os.environ["PATH"], **(env or {})},
            marker=marker,
            two_way=two_way,
            confinement=confinement,
        )

    return make


@pytest.fixture
def python(order: Callable[..., Order]) -> Callable[..., Order]:
    """`python("print(1)", wall_seconds=…)`: an order for a Python program that starts quickly."""

    def make(code: str, *arguments: str, **rest: object) -> Order:
        return order(sys.executable, "-I", "-S", "-c", code, *arguments, **rest)

    return make


@pytest.fixture
def bystander() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`bystander({"NAME": "value"})`: a sleeping process that belongs to no launch."""
    started: list[subprocess.Popen[bytes]] = []

    def make(env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["/bin/sleep", "60"], env=env or {}))
        return started[-1]

    yield make
    for each in started:
        each.kill()
        each.wait()


@pytest.fixture
def until_says() -> Callable[[Path, str], Awaitable[str]]:
    """`await until_says(path, "ready")`: the file's text as soon as it contains that."""

    async def wait(path: Path, words: str) -> str:
        async with asyncio.timeout(20), aclosing(changed(path)) as looks:
            async for _ in looks:
                if words in (text := await asyncio.to_thread(path.read_text)):
                    return text
        raise AssertionError("following a file does not end by itself")

    return wait


@pytest.fixture
def logged() -> Callable[[Path, Direction], list[bytes]]:
    """`logged(folder, Direction.TO_AGENT)`: what is in the log of a conversation."""

    def read(folder: Path, direction: Direction) -> list[bytes]:
        frames = read_frames(folder / "conversation", 0, at_most=1 << 40)
        return [frame.data for frame in frames if frame.direction is direction]

    return read


@pytest.fixture
def said() -> Callable[[Conversation, bytes], Awaitable[bytes]]:
    """`await said(talk, b"words")`: what the agent said, once that is in it or the agent has ended."""

    async def hear(talk: Conversation, words: bytes) -> bytes:
        heard = b""
        async with asyncio.timeout(20), aclosing(talk.frames()) as frames:
            async for frame in frames:
                heard += frame.data if frame.direction is Direction.FROM_AGENT else b""
                if words in heard:
                    break
        return heard

    return hear


@pytest.fixture
def talking() -> Callable[[Launcher, Path, Order], AbstractAsyncContextManager[Conversation]]:
    """`async with talking(launcher, folder, order) as talk:`; afterwards the launch has ended."""

    @asynccontextmanager
    async def lead(launcher: Launcher, folder: Path, order: Order) -> AsyncIterator[Conversation]:
        await asyncio.to_thread(launcher.start, folder, order)
        await launcher.started(folder)
        try:
            async with await Conversation.open(folder) as talk:
                yield talk
        except BaseException:
            launcher.stop(folder)
            raise
        finally:
            await asyncio.wait_for(launcher.finished(folder), 20)

    return lead
