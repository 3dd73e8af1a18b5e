"""The byte path of a two-way agent: starts it, and keeps the log of what both sides said.

Run by the supervisor as the command of a launch, in its folder:
`python -I -S relay.py IDLE_SECONDS FOLDER WORD...`, where FOLDER is the agent's working directory.
stdout is the framed log, stderr the agent's own. What the agent says is appended to the log and
read from there; a frame for it comes through the socket and reaches it only once it is in the log
and on disk, and only if it came whole and its key is new. Ends as the agent ends, with its code
or signal. Imports nothing but what is in the standard library and loads fast.
"""

import _socket
import ctypes
import errno
import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import Any, NoReturn
else:
    import _signal as signal  # the packages signal and socket import enum: twice the start cost

PROTOCOL = 1
SOCKET = "socket"
LONGEST_FRAME = 32 << 20  # bytes; one frame is held in memory until it is whole
LONGEST_LINE = 512  # bytes of a command without its data
MOST_WAITING = 1 << 20  # bytes the agent has not taken yet; with more the bridge has to wait
READ_BYTES = 64 << 10
LARGEST_PIPE = 1 << 20  # bytes; what an agent may have said at most that was not read when it ended
SIGNS_OF_LIFE = 3  # in the time the agent may be silent, while its silence does not count
# A signal to the agent's group comes here too; how it ends is the agent's matter.
PASSED_OVER = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
LIBC = ctypes.CDLL(None)


class Log:
    """Appends frames: `DIRECTION MONOTONIC_NS LENGTH KEY`, a newline, the bytes, a newline."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def add(self, direction: bytes, data: bytes, key: bytes = b"-") -> None:
        head = b"%s %d %d %s\n" % (direction, time.monotonic_ns(), len(data), key)
        rest = memoryview(b"".join((head, data, b"\n")))
        while rest:
            rest = rest[os.write(self.handle, rest) :]

    def sync(self) -> None:
        os.fsync(self.handle)

    def touch(self) -> None:
        """A sign of life for the supervisor, which judges silence by the age of this file."""
        os.utime(self.handle)


class Agent:
    """The agent and its two pipes; -1 is a pipe that is closed."""

    def __init__(self, pid: int, stdin: int, stdout: int) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self.waiting = bytearray()
        self.closing = False
        os.set_blocking(stdin, False)
        os.set_blocking(stdout, False)

    @property
    def takes_input(self) -> bool:
        return self.stdin >= 0 and not self.closing

    def hand_over(self) -> None:
        """Write what the agent's pipe takes, and close it when all is said."""
        try:
            while self.waiting and self.stdin >= 0:
                del self.waiting[: os.write(self.stdin, self.waiting)]
        except BlockingIOError:
            return
        except OSError:
            self.closing = True  # the agent has closed its end and will never read the rest
        if self.closing and self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1
            self.waiting.clear()

    def hear(self) -> bytes | None:
        """What the agent has said; nothing at the end, None when there is nothing at the moment."""
        try:
            data = os.read(self.stdout, READ_BYTES)
        except BlockingIOError:
            return None
        if not data:
            os.close(self.stdout)
            self.stdout = -1
        return data


class Bridge:
    """A connection of the daemon's, and the commands that arrived on it whole."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.received = bytearray()
        os.set_blocking(handle, False)

    def receive(self) -> bool:
        """Read what is there; False when the daemon is gone."""
        try:
            data = os.read(self.handle, READ_BYTES if len(self.received) < READ_BYTES else LARGEST_PIPE)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.received += data
        return bool(data)

    def commands(self) -> list[tuple[bytes, bytes, bytes]]:
        """Take out what is whole: verb, key and data of `VERB LENGTH KEY`, a newline, the data.

        Raises:
            ValueError: this is not how a daemon speaks.
        """
        found: list[tuple[bytes, bytes, bytes]] = []
        while (line := self.received.find(b"\n", 0, LONGEST_LINE)) >= 0:
            verb, length, key = bytes(self.received[:line]).split(b" ")
            if not 0 <= int(length) <= LONGEST_FRAME:
                raise ValueError(length)
            end = line + 1 + int(length)
            if len(self.received) < end:
                return found
            found.append((verb, key, bytes(memoryview(self.received)[line + 1 : end])))
            del self.received[:end]
        if len(self.received) >= LONGEST_LINE:
            raise ValueError("a command without an end")
        return found

    def answer(self, words: bytes) -> bool:
        """False when the daemon is gone or does not read: it must not miss one, or take one for another."""
        try:
            return os.write(self.handle, words) == len(words)
        except OSError:
            return False


class Relay:
    """One conversation: at most one daemon is connected, and the newest one is the right one."""

    def __init__(self, log: Log, listener: "Any", wake: int, agent: Agent, idle_seconds: float) -> None:
        self.log, self.listener, self.wake, self.agent = log, listener, wake, agent
        self.bridge: Bridge | None = None
        self.keys = set[bytes]()
        self.held = False
        self.unheard = False
        self.rhythm = idle_seconds / SIGNS_OF_LIFE if idle_seconds else None

    @property
    def silence_counts(self) -> bool:
        """Not while a question is open; and what was said while nobody listened may be one."""
        return not (self.held or self.unheard)

    def run(self) -> int:
        """Pass frames until the agent has ended; return its wait status."""
        while True:
            agent, bridge = self.agent, self.bridge
            reading = [self.wake, self.listener.fileno()] + [agent.stdout] * (agent.stdout >= 0)
            if bridge is not None and len(agent.waiting) < MOST_WAITING:
                reading.append(bridge.handle)
            writing = [agent.stdin] * (agent.stdin >= 0 and (agent.closing or bool(agent.waiting)))
            ready, writable, _ = select.select(
                reading, writing, [], None if self.silence_counts else self.rhythm
            )
            if not self.silence_counts:
                self.log.touch()
            if self.wake in ready and (status := self.ended()) is not None:
                return status
            if writable:
                agent.hand_over()
            if agent.stdout in ready:
                self.hear()
            if bridge is not None and bridge.handle in ready:
                self.obey(bridge)
            if self.listener.fileno() in ready:
                self.welcome()

    def ended(self) -> int | None:
        os.read(self.wake, 4096)
        pid, status = os.waitpid(self.agent.pid, os.WNOHANG)
        if not pid:
            return None
        heard = 0
        while self.agent.stdout >= 0 and heard < LARGEST_PIPE and (length := self.hear()):
            heard += length
        return status

    def hear(self) -> int:
        """Log what the agent has said and return its length."""
        data = self.agent.hear()
        if not data:
            return 0
        self.log.add(b"agent", data)
        self.unheard |= self.bridge is None
        return len(data)

    def welcome(self) -> None:
        """Take a new daemon and send the old one away: it is dead or no longer the one in charge."""
        handle = accept(self.listener)
        if handle is None:
            return
        if self.bridge is not None:
            self.bridge.answer(b"displaced\n")
            os.close(self.bridge.handle)
        self.bridge = Bridge(handle)
        self.bridge.answer(b"relay %d\n" % PROTOCOL)
        self.unheard = False
        self.log.touch()

    def obey(self, bridge: Bridge) -> None:
        """Log what came whole, see it on disk, and only then pass it on and answer."""
        there = bridge.receive()
        try:
            commands = bridge.commands()
        except ValueError:
            commands, there = [], False
        passed_on = bytearray()
        answers = b"".join(self.log_command(*command, passed_on) for command in commands)
        if any(verb in {b"send", b"close"} for verb, _, _ in commands):
            self.log.sync()
            self.agent.waiting += passed_on
            self.agent.hand_over()
        if not (bridge.answer(answers) and there):
            os.close(bridge.handle)
            self.bridge = None

    def log_command(self, verb: bytes, key: bytes, data: bytes, passed_on: bytearray) -> bytes:
        """Log one command and return the answer to it."""
        if verb in {b"hold", b"free"}:
            self.held = verb == b"hold"
            self.log.touch()
        elif verb == b"close" and self.agent.takes_input:
            self.agent.closing = True
            self.log.add(b"relay", b"closed")
        elif verb == b"send":
            if key in self.keys:
                return b"known\n"
            if not self.agent.takes_input:
                return b"closed\n"
            self.keys.add(key)
            self.log.add(b"bridge", data, key)
            passed_on += data
        return b"done\n"


def accept(listener: "Any") -> int | None:
    """The next connection, if it is one of this user's."""
    try:
        handle: int = listener._accept()[0]
    except OSError:
        return None  # it was given up before we came to it
    if sys.platform == "linux":
        connection = _socket.socket(fileno=handle)
        # pid, uid, gid; see unix(7). Elsewhere the folder's mode alone keeps others out.
        peer = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        connection.detach()
        if int.from_bytes(peer[4:8], sys.byteorder) != os.geteuid():
            os.close(handle)
            return None
    return handle


def listen() -> "Any":
    """The socket in the launch folder, under a name short enough however deep the folder lies."""
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(SOCKET)
    finally:
        os.umask(mask)
    listener.listen(64)
    listener.setblocking(False)
    return listener


def notice_signals() -> int:
    """A descriptor that becomes readable when the agent may have ended."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (*PASSED_OVER, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader


def start(folder: bytes, argv: list[bytes]) -> tuple[Agent, str]:
    """Start the agent; say why when it could not be started."""
    report, reporting = os.pipe()
    taken, giving = os.pipe()
    heard, saying = os.pipe()
    parent = os.getpid()
    # No signal may reach the child while it still writes to the parent's wake-up pipe.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        become(folder, argv, (taken, saying), parent, reporting)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for handle in (reporting, taken, saying):
        os.close(handle)
    with open(report, "rb", 0) as answer:
        return Agent(pid, giving, heard), answer.read().decode("utf-8", "replace")


def become(
    folder: bytes, argv: list[bytes], streams: tuple[int, int], parent: int, report: int
) -> "NoReturn":
    """In the child: turn into the agent, or tell the parent why not."""
    doing = "prepare the process"
    try:
        if sys.platform == "linux":  # without a relay nobody hears it, without a supervisor nobody stops it
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(127)
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for target, source in enumerate(streams):
            os.dup2(source, target)
        doing = f"enter the working directory {os.fsdecode(folder)}"
        os.chdir(folder)
        doing = f"start {os.fsdecode(argv[0])}"
        environment = dict(os.environb)
        if sys.platform == "linux" and b"\0LC_CTYPE=" not in b"\0" + given_environment():
            environment.pop(b"LC_CTYPE", b"")  # in a C locale Python itself adds it
        execute(argv, environment)
    except (OSError, ValueError) as problem:
        text = getattr(problem, "strerror", None) or str(problem)
        os.write(report, f"cannot {doing}: {text}".encode("utf-8", "replace"))
    finally:
        os._exit(127)


def given_environment() -> bytes:
    with open("/proc/self/environ", "rb", 0) as source:
        return source.read()


def execute(argv: list[bytes], environment: dict[bytes, bytes]) -> None:
    """Like execvpe, without its late imports; an unusable find explains more than a missing one."""
    search = environment.get(b"PATH", os.defpath.encode()).split(b":")
    problem = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for folder in [b""] if b"/" in argv[0] else search:
        path = os.path.join(folder, argv[0])
        try:
            os.execve(path, argv, environment)
        except (FileNotFoundError, NotADirectoryError):
            if os.path.exists(path):
                problem = OSError(errno.ENOENT, "the interpreter in its first line is missing")
        except OSError as failure:
            problem = failure
    raise problem


def end_like(status: int) -> "NoReturn":
    """End with the agent's exit code, or by the signal that ended it."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        os._exit(code)
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # the agent may have left a core file, this one need not
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
    os._exit(128 - code)


def main(idle_seconds: float, folder: bytes, argv: list[bytes]) -> "NoReturn":
    log = Log(1)
    try:
        wake = notice_signals()
        listener = listen()
        agent, error = start(folder, argv)
        log.add(b"relay", f"failed {error}".encode() if error else b"started %d" % agent.pid)
        status = 127 << 8 if error else Relay(log, listener, wake, agent, idle_seconds).run()
        os.unlink(SOCKET)
    except OSError as problem:
        # What cannot be logged must not be said, so there is no going on, for the agent either.
        try:
            os.write(2, f"\nThe conversation cannot be kept: {problem}; the agent was stopped.\n".encode())
        finally:
            os.killpg(0, signal.SIGKILL)
            os._exit(1)
    end_like(status)


if __name__ == "__main__":
    main(float(sys.argv[1]), os.fsencode(sys.argv[2]), [os.fsencode(word) for word in sys.argv[3:]])
