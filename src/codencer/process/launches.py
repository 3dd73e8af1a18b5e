"""Launches: supervised process trees that outlive the daemon, each started at most once.

A launch is a folder. Its supervisor claims it, owns the command's whole tree and leaves an
exit record; what a Launcher remembers only saves it some looks, so that of a later daemon
awaits and stops a launch exactly like the one that started it. The values of the command's
environment pass by inheritance and are never written down.
"""

import asyncio
import importlib.util
import json
import marshal
import os
import signal
import subprocess
import sys
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from codencer.errors import InvalidInput, LaunchFailed, StorageFailed
from codencer.failpoints import reach
from codencer.model.launch import (
    Confinement,
    ExitReason,
    ExitRecord,
    Launch,
    LaunchStatus,
    Limits,
    ProcessNote,
)
from codencer.process import folder as folders
from codencer.process import groups, tree
from codencer.process.frames import LOG
from codencer.process.procfs import read_stat
from codencer.process.sandbox import NO_SANDBOX, Sandbox
from codencer.process.waiting import launch_end, off_loop, process_end, readable
from codencer.process.watch import changed

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to start and how: `env` is the command's complete environment, without the marker.

    `marker` must belong to this launch alone: when the launch ends, every process that still
    has it in its environment is killed. With `two_way` a relay runs the command: there is
    no stdout file but a log, heard and answered through a `Conversation`. The kernel keeps the
    tree below `memory_bytes` where it offers to; 0 is no limit. With `confinement` the command is in
    a sandbox and sees no more than that.
    """

    launch: Launch
    limits: Limits
    cwd: Path
    env: dict[str, str]
    marker: str
    two_way: bool = False
    memory_bytes: int = 0
    confinement: Confinement | None = None


@dataclass(frozen=True, kw_only=True)
class Started:
    """A supervisor was spawned; whether it starts the command, `Launcher.started` tells."""

    pid: int


@dataclass
class _Own:
    """A supervisor that is a child of ours, so that it can be reaped."""

    process: subprocess.Popen[bytes]
    start_ticks: int
    announcement: int
    agent: int | None = None
    listening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def listen(self) -> int | None:
        """The command's pid, once its supervisor has announced it or is gone without."""
        async with self.listening:
            if self.announcement >= 0:
                await readable(self.announcement)
                said = os.read(self.announcement, 64)
                self.agent = int(said) if said else None
                self.hang_up()
            return self.agent

    def hang_up(self) -> None:
        if self.announcement >= 0:
            os.close(self.announcement)
            self.announcement = -1


class Launcher:
    """Starts, awaits, adopts and stops launches. One per daemon; its async methods on one loop."""

    def __init__(self, python: str = sys.executable, sandbox: Sandbox = NO_SANDBOX) -> None:
        self._python = python
        self._sandbox = sandbox
        self._own: dict[Path, _Own] = {}
        self._left = False

    def start(self, folder: Path, order: Order) -> Started:
        """Lay out the launch folder and spawn its supervisor; blocks for a few milliseconds.

        Calling it again on an unclaimed folder is safe: one of the supervisors gets the claim.

        Raises:
            LaunchFailed: no supervisor could be spawned, or the launch was claimed before.
            StorageFailed: the folder could not be written.
        """
        folder = _absolute(folder)
        self._reap()
        if folders.read_claim(folder) is not None:
            raise LaunchFailed(
                f"the launch in {folder} was started or withdrawn before; nothing was started now"
            )
        script = self._lay_out(folder, order)
        reach("launch.spawn:before")
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        try:
            with open(folder / "supervisor.log", "ab", buffering=0, opener=_private) as log:
                process = subprocess.Popen(
                    [self._python, "-I", "-S", script, folder],
                    stdin=subprocess.DEVNULL,
                    stdout=writer,
                    stderr=log,
                    env=order.env,
                    cwd="/",
                    start_new_session=True,
                )
        except (OSError, ValueError) as problem:
            os.close(reader)
            raise LaunchFailed(
                f"no supervisor could be started for {folder}: {problem}; nothing runs, try again"
            ) from problem
        finally:
            os.close(writer)
        reach("launch.spawn:after")
        stat = read_stat(process.pid)
        self._own[folder] = _Own(process, stat.start_ticks if stat else 0, reader)
        if self._left:
            self.let_go()
        return Started(pid=process.pid)

    async def started(self, folder: Path) -> int | None:
        """Wait until the command runs and return its pid; None when it did not start.

        Known at once for a launch adopted from an earlier daemon. Of a two-way launch it is the
        relay that is meant, which ends as its command ends.
        """
        folder = _absolute(folder)
        own = self._own.get(folder)
        announced = await own.listen() if own is not None else None
        if announced is not None:
            return announced
        claim = await off_loop(partial(folders.read_claim, folder))
        if claim is not None and claim.agent is None and not claim.tombstone:
            await self._await_announcement(folder)
            claim = await off_loop(partial(folders.read_claim, folder))
        return claim.agent if claim is not None else None

    async def finished(self, folder: Path) -> ExitRecord | None:
        """Wait until the launch's supervisor is gone and return its record; None: there is none.

        Raises:
            IncompatibleVersion: a newer supervisor wrote the record.
        """
        folder = _absolute(folder)
        own = self._own.get(folder)
        if own is not None:
            await process_end(own.process.pid, own.start_ticks)
            await off_loop(own.process.wait)
            await own.listen()
            self._own.pop(folder, None)
        await launch_end(folder)
        return await off_loop(partial(_outcome, folder))

    def status(self, folder: Path) -> LaunchStatus:
        """What is known of a launch, also when an earlier daemon started it."""
        return folders.status(folder)

    def entomb(self, folder: Path) -> bool:
        """Withdraw a launch. True: it has not started and never will. False: it was claimed."""
        return folders.entomb(folder)

    def stop(self, folder: Path) -> None:
        """Ask for the end of the whole tree and return at once; `finished` tells when it is done.

        A launch that nobody has claimed yet is withdrawn; one that has ended is left alone.
        """
        claim = folders.read_claim(folder)
        if claim is None and folders.entomb(folder):
            return
        claim = claim or folders.read_claim(folder)
        if claim is None or not claim.pid or not folders.is_alive(folder, claim):
            return
        if not hasattr(os, "pidfd_open"):
            # The lock was held a moment ago by exactly this process.
            os.kill(claim.pid, signal.SIGTERM)
            return
        try:
            handle = os.pidfd_open(claim.pid)
        except OSError:
            return  # ended meanwhile
        try:
            stat = read_stat(claim.pid)
            if stat is not None and stat.start_ticks == claim.start_ticks:
                signal.pidfd_send_signal(handle, signal.SIGTERM)
        except ProcessLookupError:
            return
        finally:
            os.close(handle)

    def sweep(self, folder: Path, marker: str) -> list[ProcessNote]:
        """Kill every process of a launch whose supervisor is dead; blocks until they are gone.

        Raises:
            LaunchFailed: some cannot be killed.
        """
        group, name = folders.read_group(folder), groups.name_for(_checked(marker))
        # In a copied folder of state the group is that of the original, which goes on.
        own = group is not None and group.name == name
        hidden = groups.kill(group) if group is not None and own else []
        found = hidden + tree.sweep(marker)
        if group is not None:
            groups.remove(group)
        return found

    def let_go(self) -> None:
        """Give up the launches of this daemon: they go on, and whoever comes next adopts them."""
        # A thread may be just about to start one: it looks at this when it has.
        self._left = True
        while self._own:
            _, own = self._own.popitem()
            own.hang_up()
            # Not ours to reap any more; without this Popen would complain of a process still running.
            own.process.returncode = own.process.poll() or 0

    async def _await_announcement(self, folder: Path) -> None:
        """Wait until a claimed launch has started its command, or never will."""
        waits = {asyncio.create_task(self._announced(folder)), asyncio.create_task(launch_end(folder))}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _announced(self, folder: Path) -> None:
        async with aclosing(changed(folder / "claim")) as looks:
            async for _ in looks:
                claim = await off_loop(partial(folders.read_claim, folder))
                if claim is not None and claim.agent is not None:
                    return

    def _lay_out(self, folder: Path, order: Order) -> str:
        """Write the launch folder and return the path of the script to run."""
        words, cwd = list(order.launch.argv), os.path.abspath(order.cwd)
        if not words or not words[0]:
            raise InvalidInput("an empty command cannot be started")
        if order.two_way and order.launch.stdin:
            raise InvalidInput("a two-way command has no input from the start: send it as the first frame")
        output = LOG if order.two_way else "stdout"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            script = self._copy(folder, "supervisor")
            if order.confinement is not None:
                # The sandbox enters the command's folder itself, and notes in the launch folder how it went.
                words, cwd = self._sandbox.wrap(words, order.confinement, folder, order.cwd), "."
            if order.two_way:
                # The relay runs in this folder, wherever that is moved meanwhile.
                relay = [self._python, "-I", "-S", self._copy(folder, "relay")]
                words = [*relay, str(order.limits.idle_seconds), cwd, *words]
            group = groups.make(order.marker, order.memory_bytes)
            spec = {
                "protocol": folders.PROTOCOL,
                "argv": [_portable(word) for word in words],
                "cwd": "." if order.two_way else _portable(cwd),
                "stdin": "stdin" if order.launch.stdin else None,
                "stdout": output,
                "stderr": "stderr",
                "limits": asdict(order.limits),
                "marker": _checked(order.marker),
                "group": str(group) if group is not None else None,
            }
            if group is not None:
                folders.write_file(folder / "group", os.fsencode(group))
            if order.launch.stdin:
                folders.write_file(folder / "stdin", order.launch.stdin)
            for name in (output, "stderr"):
                os.close(os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600))
            folders.write_file(folder / "launch.json", json.dumps(spec, indent=1).encode() + b"\n")
        except OSError as problem:
            raise StorageFailed(
                f"the launch folder {folder} could not be written: {problem.strerror}; nothing was started"
            ) from problem
        return str(folder / script)

    def _copy(self, folder: Path, program: str) -> str:
        """Copy a stand-alone program into the folder and return the name of the file to run."""
        source, compiled = _program(program)
        folders.write_file(folder / f"{program}.py", source)
        # Compiling takes longer than starting; another Python cannot read it, though.
        if self._python != sys.executable:
            return f"{program}.py"
        folders.write_file(folder / f"{program}.pyc", compiled)
        return f"{program}.pyc"

    def _reap(self) -> None:
        """Collect supervisors that ended while nobody awaited them."""
        for own in list(self._own.values()):
            own.process.poll()


def _outcome(folder: Path) -> ExitRecord | None:
    """The exit record, with the reason that only the kernel knows."""
    record, group = folders.read_exit(folder), folders.read_group(folder)
    if record is None or group is None:
        return record
    if record.reason is ExitReason.EXITED and record.signal and groups.ran_out_of_memory(group):
        # The group says so until the folder goes: a later daemon has to come to the same end.
        return replace(
            record, reason=ExitReason.MEMORY_LIMIT, error="the kernel ended it at its memory limit"
        )
    groups.remove(group)
    return record


@cache
def _program(name: str) -> tuple[bytes, bytes]:
    """The source of a stand-alone program and the same compiled, in the format of a .pyc (PEP 552)."""
    path = _PACKAGE / f"{name}.py"
    source = path.read_bytes()
    code = marshal.dumps(compile(source, path.name, "exec", dont_inherit=True))
    return source, importlib.util.MAGIC_NUMBER + bytes(12) + code


def _absolute(folder: Path) -> Path:
    return folder.absolute()


def _checked(marker: str) -> str:
    if not marker or not marker.isascii() or not marker.isprintable():
        raise InvalidInput(f"{marker!a} cannot mark a launch: printable ASCII only, and not empty")
    return marker


def _portable(word: str) -> str:
    """The same bytes as text that the supervisor reads in any locale."""
    return os.fsencode(word).decode("utf-8", "surrogateescape")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
