"""Short commands, run to their end: git and probes.

Bounded by progress and size, not by a guessed duration: a command may take an hour as long
as its group burns CPU, moves bytes or prints. Whatever is left of its process group when it
ends is killed. Blocks; call it in a worker thread.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from codencer.errors import LaunchFailed
from codencer.process.procfs import all_stats, read_bytes

_LOOKS_PER_STALL = 4  # progress is looked at this often within the stall time
_PIECE = 256 * 1024
_FULLEST_PIPE_READS = 64  # reads that empty any pipe, even if somebody goes on filling it


@dataclass(frozen=True, kw_only=True)
class Completed:
    """How a command ended: `code` is negative when a signal ended it, -N for signal N."""

    code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """When a command is killed: without progress for `stall_seconds` (it takes up to a quarter
    longer to notice), or when it has printed more than `output_bytes` on either way out."""

    stall_seconds: float = 60
    output_bytes: int = 256 * 1024 * 1024


USUAL_BOUNDS = Bounds()


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str],
    stdin: bytes | Path | None = None,
    stdout_file: Path | None = None,
    umask: int = -1,
    bounds: Bounds = USUAL_BOUNDS,
) -> Completed:
    """Run a command and return what it printed; any exit code is a result, not an error.

    Args:
        env: the complete environment.
        stdin: what it reads, or the file it reads.
        stdout_file: created or emptied, and gets its output instead of `Completed.stdout`.
        umask: for the files it makes; -1 is that of this process.
        bounds: progress is CPU time, I/O or output of anything in its process group.

    Raises:
        LaunchFailed: it could not be started, stalled, or printed too much.
    """
    with ExitStack() as files:
        try:
            source: int | IO[bytes] = subprocess.DEVNULL if stdin is None else subprocess.PIPE
            if isinstance(stdin, Path):
                source = files.enter_context(stdin.open("rb"))
            target = files.enter_context(stdout_file.open("wb")) if stdout_file else subprocess.PIPE
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=source,
                stdout=target,
                stderr=subprocess.PIPE,
                start_new_session=True,
                umask=umask,
                bufsize=0,
            )
        except (OSError, ValueError) as problem:
            raise LaunchFailed(f"cannot start {argv[0]}: {problem}") from problem
        with process:
            text = stdin if isinstance(stdin, bytes) else b""
            conversation = _Conversation(process, text, None if isinstance(target, int) else target)
            try:
                conversation.hold(bounds)
            except _Overdue as overdue:
                raise LaunchFailed(f"{' '.join(argv)[:200]} was killed: {overdue}") from None
            finally:
                conversation.end()
        return Completed(
            code=process.returncode, stdout=b"".join(conversation.out), stderr=b"".join(conversation.err)
        )


class _Overdue(Exception):
    """The command is to be killed; the message says why."""


class _Conversation:
    """Feeds and reads one command until it has ended and its pipes are empty."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, target: IO[bytes] | None) -> None:
        self.process, self.target, self.unsent = process, target, memoryview(stdin)
        self.out: list[bytes] = []
        self.err: list[bytes] = []
        self.received = 0
        self.stdin_descriptor = process.stdin.fileno() if process.stdin is not None else -1
        self.poll = select.poll()
        self.open: dict[int, Callable[[int], bool]] = {}
        """What to do when a descriptor is ready; False closes it."""
        self._add(process.stdin, select.POLLOUT, self._feed)
        self._add(process.stdout, select.POLLIN, partial(self._drain, self.out))
        self._add(process.stderr, select.POLLIN, partial(self._drain, self.err))
        self.handle = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else -1
        if self.handle >= 0:
            self.poll.register(self.handle, select.POLLIN)

    def hold(self, bounds: Bounds) -> None:
        """Return when the command has ended; raises `_Overdue` when it must be killed."""
        interval = bounds.stall_seconds / _LOOKS_PER_STALL
        advanced = time.monotonic()
        next_look, seen = advanced + interval, None
        while not self._step(max(0.0, next_look - time.monotonic())):
            if self.received > bounds.output_bytes:
                raise _Overdue(f"it printed more than {bounds.output_bytes} bytes")
            if (now := time.monotonic()) < next_look:
                continue
            progress = self._progress()
            if progress.written > bounds.output_bytes:
                raise _Overdue(f"it printed more than {bounds.output_bytes} bytes")
            if progress != seen:
                advanced, seen = now, progress
            if now - advanced >= bounds.stall_seconds:
                raise _Overdue(f"it did nothing for {now - advanced:.0f} seconds")
            next_look = now + interval

    def end(self) -> None:
        """Kill what is left of the process group and reap the command."""
        if self.process.returncode is None:  # so its number still belongs to it
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self.process.kill()
            self.process.wait()
        if self.handle >= 0:
            os.close(self.handle)

    def _add(self, pipe: IO[bytes] | None, event: int, act: Callable[[int], bool]) -> None:
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
            self.poll.register(pipe.fileno(), event)
            self.open[pipe.fileno()] = act

    def _step(self, seconds: float) -> bool:
        """Do what can be done, waiting for it at most so long; True when the command has ended."""
        if self.handle < 0 and not self.open:
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
            return True
        ready = [descriptor for descriptor, _ in self.poll.poll(seconds * 1000)]
        ended = self.handle in ready
        # Whoever inherited the pipes may keep them open for ever: what the command itself
        # printed is in them now.
        for descriptor in list(self.open) if ended else ready:
            if descriptor in self.open:
                self._serve(descriptor, to_the_end=ended)
        return ended

    def _serve(self, descriptor: int, to_the_end: bool) -> None:
        act = self.open[descriptor]
        try:
            going = act(descriptor)
            for _ in range(_FULLEST_PIPE_READS if to_the_end else 0):
                going = going and act(descriptor)
        except BlockingIOError:
            return
        except BrokenPipeError:
            going = False
        if not going:
            del self.open[descriptor]
            self.poll.unregister(descriptor)
            if descriptor == self.stdin_descriptor and self.process.stdin is not None:
                self.process.stdin.close()

    def _feed(self, descriptor: int) -> bool:
        if self.unsent:
            self.unsent = self.unsent[os.write(descriptor, self.unsent[:_PIECE]) :]
        return bool(self.unsent)

    def _drain(self, into: list[bytes], descriptor: int) -> bool:
        piece = os.read(descriptor, _PIECE)
        into.append(piece)
        self.received += len(piece)
        return bool(piece)

    def _progress(self) -> "_Progress":
        written = os.fstat(self.target.fileno()).st_size if self.target is not None else 0
        group = [stat for stat in all_stats() if stat.group == self.process.pid]
        activity = tuple((stat.pid, stat.cpu_us, read_bytes(f"/proc/{stat.pid}/io")) for stat in group)
        return _Progress(self.received, len(self.unsent), written, activity)


class _Progress(NamedTuple):
    """Whatever changes while a command gets on; without /proc only what it reads and prints."""

    received: int
    unsent: int
    written: int
    activity: tuple[tuple[int, int, bytes], ...]
