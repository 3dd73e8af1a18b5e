"""One launch: starts one command once, owns its whole process tree, writes down how it ended.

Run as `python -I -S supervisor.py FOLDER` in a session of its own; stdin null, stdout the pipe that
gets the command's pid, stderr a log. It reads `launch.json`, takes the claim (a locked file linked
into place: whoever finds it taken goes without a trace) and leaves `exit.json` as its last act. The
lock lives as long as this process. Without /proc (macOS) only the process group is known.
"""

import _json
import ctypes
import errno
import fcntl
import os
import resource  # noqa: F401  (os.wait4 needs it; everything is loaded before the claim)
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import Any, NoReturn
else:
    import _signal as signal  # the packages signal and json import enum and re: twice the start cost

PROTOCOL = 1
MARKER = b"CODENCER_LAUNCH"
WRITE_RATE = 1 << 30  # bytes a second: the fastest that output is expected to grow
SHORTEST_MEASURE = 0.25  # seconds between two looks at the output's size when the limit is near
LEFTOVER_GRACE = 0.5  # seconds between TERM and KILL for what outlived the command
KILL_SECONDS = 5.0  # how long KILL is repeated before a process counts as a survivor
KILL_PASS = 0.05  # seconds until the tree is looked at again while killing
MOST_NOTES = 500  # processes listed in the record at most
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
NEVER, APPEND = float("inf"), os.O_WRONLY | os.O_CREAT | os.O_APPEND
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, SYS_CLONE3, CLONE_INTO_CGROUP = 1, 36, 435, 1 << 33
LIBC = ctypes.PyDLL(None)


class JsonRules:
    strict, object_hook, object_pairs_hook = True, None, None
    parse_float, parse_int, parse_constant = float, int, None


load_json: "Any" = _json.make_scanner(JsonRules)  # type: ignore[arg-type]  # any object with these will do


def dump_json(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dump_json(key)}: {dump_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dump_json, value)) + "]"
    return _json.encode_basestring_ascii(value) if isinstance(value, str) else str(value)


def contents(path: str) -> bytes:
    """The bytes of a small file; none when it cannot be read (its process is gone)."""
    try:
        with open(path, "rb", 0) as source:
            return source.read()
    except OSError:
        return b""


class Process:
    """A line of /proc/PID/stat: state, parent, process group, start in clock ticks."""

    def __init__(self, pid: int, stat: bytes) -> None:
        rest = stat.rpartition(b")")[2].split()
        self.pid, self.state, self.parent, self.group = pid, rest[0], int(rest[1]), int(rest[2])
        self.start = int(rest[19])


def pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc") else []


def descendants() -> list[Process]:
    """Every living process below this one, parents first."""
    below: dict[int, list[Process]] = {}
    for pid in pids():
        if stat := contents(f"/proc/{pid}/stat"):
            process = Process(pid, stat)
            below.setdefault(process.parent, []).append(process)
    found, level = [], below.get(os.getpid(), [])
    while level:
        found += level
        level = [child for process in level for child in below.get(process.pid, ())]
    return [process for process in found if process.state not in b"ZX"]


def carries(pid: int, marker: bytes) -> bool:
    return pid != os.getpid() and b"\0" + marker + b"\0" in b"\0" + contents(f"/proc/{pid}/environ")


def send(kill: "Any", targets: set[int], number: int) -> None:
    """Signal processes, or whole groups: that is done in one piece, no member forks its way out."""
    for target in targets:
        try:
            kill(target, number)
            kill(target, signal.SIGCONT)
        except (ProcessLookupError, PermissionError):
            continue  # gone meanwhile, or beyond reach: then it will be among the survivors


class Wake:
    """Signals as readable bytes: the loop sleeps in select and misses none."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(writer, False)
        self.stop_requested = False
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def wait(self, until: float) -> None:
        """Sleep until a signal comes or the monotonic clock shows `until`."""
        timeout = None if until == NEVER else max(0.0, until - time.monotonic())
        if select.select([self.reader], [], [], timeout)[0]:
            self.stop_requested |= any(number in STOP_SIGNALS for number in os.read(self.reader, 4096))


def look(outputs: list[int]) -> list[tuple[int, int]]:
    return [(stat.st_size, stat.st_mtime_ns) for stat in map(os.fstat, outputs)]


class Clock:
    """The limits: one timer for all of them, set to the earliest moment one can be exceeded."""

    def __init__(self, limits: "dict[str, Any]", outputs: list[int]) -> None:
        now = time.monotonic()
        self.outputs, self.looked_at, self.seen, self.ahead = outputs, now, look(outputs), time.time() - now
        self.idle_seconds, self.most_bytes = limits["idle_seconds"], limits["output_bytes"]
        self.wall = now + limits["wall_seconds"] if limits["wall_seconds"] else NEVER
        self.idle = now + self.idle_seconds if self.idle_seconds else NEVER
        self.measure = now if self.most_bytes else NEVER

    def left(self) -> int:
        return int(self.most_bytes and self.most_bytes - sum(size for size, _ in look(self.outputs)))

    def exceeded(self, now: float) -> str:
        """The reason to stop, or nothing: then all three times lie in the future."""
        if now >= self.wall:
            return "timeout"
        if now >= self.measure:
            if (left := self.left()) < 0:
                return "output_limit"
            self.measure = now + max(SHORTEST_MEASURE, left / WRITE_RATE)
        if now >= self.idle and (seen := look(self.outputs)) != self.seen:
            ahead, age = time.time() - now, time.time() - max(changed for _, changed in seen) / 1e9
            # Ages mean nothing once the wall clock was set: then what is seen only now counts as new.
            age = min(max(age, 0.0), now - self.looked_at) if abs(ahead - self.ahead) < 1 else 0.0
            self.idle, self.seen, self.looked_at, self.ahead = now - age + self.idle_seconds, seen, now, ahead
        return "idle_timeout" if now >= self.idle else ""


class Tree:
    """The command and everything it started, seen by the parent and subreaper of it all."""

    def __init__(self, agent: int, wake: Wake) -> None:
        self.agent, self.wake = agent, wake
        self.status: int | None = None
        self.started = self.ended = time.monotonic()
        self.cpu_seconds, self.peak = 0.0, 0
        self.killed, self.survivors = dict[int, str](), dict[int, str]()

    def reap(self) -> bool:
        """Collect what has ended. False when no child is left, and so no descendant either."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                return True
            self.cpu_seconds += usage.ru_utime + usage.ru_stime
            self.peak = max(self.peak, usage.ru_maxrss)
            if pid == self.agent:
                self.status, self.ended = status, time.monotonic()

    def run(self, clock: Clock) -> str:
        """Wait for the end of the command or a reason to end it, and return the reason."""
        while True:
            self.reap()
            if self.status is not None:
                return "output_limit" if clock.left() < 0 else "exited"
            if reason := "stopped" if self.wake.stop_requested else clock.exceeded(time.monotonic()):
                return reason
            self.wake.wait(min(clock.wall, clock.idle, clock.measure))

    def end(self, grace: float, marker: bytes) -> None:
        """TERM to the command's group if it still runs, then TERM and KILL to whatever is left."""
        if self.status is None:
            self.press(signal.SIGTERM, grace, everything=False)
        if self.status is not None and self.reap():
            self.press(signal.SIGTERM, min(grace, LEFTOVER_GRACE))
        if self.reap() or sys.platform == "darwin":
            self.press(signal.SIGKILL, KILL_SECONDS)
            self.survivors = {process.pid: self.killed.get(process.pid, "") for process in descendants()}
        self.kill_marked(marker)

    def press(self, number: int, seconds: float, everything: bool = True) -> None:
        """Signal, and wait for the end of everything or of the command alone; repeat a KILL."""
        deadline = time.monotonic() + seconds
        send(os.killpg, self.groups() if everything else {self.agent}, number)
        while self.reap() and (everything or self.status is None) and time.monotonic() < deadline:
            self.wake.wait(min(deadline, time.monotonic() + KILL_PASS) if everything else deadline)
            if number == signal.SIGKILL:
                # Who forks and ends at once is gone before a look is over; orphans end up here, dead or not.
                near = self.note(set(map(int, contents(f"/proc/self/task/{os.getpid()}/children").split())))
                send(os.kill if near else os.killpg, near or self.groups(), number)

    def groups(self) -> set[int]:
        """The process groups of all descendants, which are noted as killed. All members of these
        groups are descendants, because the command began in a session of its own."""
        agent = {self.agent} if self.status is None or sys.platform == "darwin" else set()
        found = descendants()
        self.note({process.pid for process in found})
        return agent | {process.group for process in found} - {0, os.getpgrp()}

    def note(self, found: set[int]) -> set[int]:
        for pid in found - self.killed.keys() - {self.agent}:
            self.killed[pid] = contents(f"/proc/{pid}/comm").decode("utf-8", "replace").strip()
        return found

    def kill_marked(self, marker: bytes) -> None:
        """Kill what is no descendant but has the marker, until a whole look finds nothing."""
        deadline = time.monotonic() + KILL_SECONDS
        while marked := [pid for pid in pids() if carries(pid, marker)]:
            if time.monotonic() >= deadline:
                self.survivors |= {pid: self.killed.get(pid, "") for pid in marked}
                return
            for pid in marked:
                if carries(pid, marker):  # still the process that was found
                    send(os.kill, self.note({pid}), signal.SIGKILL)
            self.reap()
            self.wake.wait(time.monotonic() + KILL_PASS / 10)

    def outcome(self, reason: str) -> dict[str, object]:
        code = None if self.status is None else os.waitstatus_to_exitcode(self.status)
        known = {} if code is None else {"code": code} if code >= 0 else {"signal": -code}
        gone = sorted(self.killed.items() - self.survivors.items())[:MOST_NOTES]
        return {
            "reason": reason,
            **known,
            "duration_us": int((self.ended - self.started) * 1e6),
            "cpu_us": int(self.cpu_seconds * 1e6),
            "max_rss_bytes": self.peak * (1 if sys.platform == "darwin" else 1024),
            "killed": [{"pid": pid, "name": name} for pid, name in gone],
            "survivors": [{"pid": pid, "name": name} for pid, name in self.survivors.items()],
        }


def claim() -> int | None:
    """Take the launch; None when somebody has it. The file gets its name complete and locked, so
    that no observer finds it without its owner."""
    stat, boot = contents("/proc/self/stat"), contents("/proc/sys/kernel/random/boot_id").decode().strip()
    ticks = Process(0, stat).start if stat else 0
    identity = {"protocol": PROTOCOL, "pid": os.getpid(), "boot_id": boot, "start_ticks": ticks}
    temporary = f"claim.{os.getpid()}"
    lock = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        os.write(lock, dump_json(identity).encode() + b"\n")
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.fsync(lock)
        os.link(temporary, "claim")
    except FileExistsError:
        return None
    finally:
        os.unlink(temporary)
    os.fsync(os.open(".", os.O_RDONLY))  # a claim that a power failure takes back would be none
    return lock


def start(order: "dict[str, Any]", streams: list[int]) -> tuple[int, str]:
    """Start the command; return its pid and, when it could not be started, why."""
    (report, writer), parent = os.pipe(), os.getpid()
    # No signal may reach the child while it still writes to the parent's wake-up pipe.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = fork(order.get("group"))
    if pid == 0:
        become(order, streams, parent, writer)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.close(writer)
    with open(report, "rb", 0) as answer:
        return pid, answer.read().decode("utf-8", "replace")


def fork(group: str | None) -> int:
    """Fork; with a control group the child is born in it: to move it there later takes 20 ms."""
    if group and os.path.isdir(group):
        arguments = (ctypes.c_uint64 * 11)(CLONE_INTO_CGROUP, 0, 0, 0, signal.SIGCHLD)  # see clone(2)
        arguments[10] = os.open(group, os.O_RDONLY)
        if (pid := int(LIBC.syscall(SYS_CLONE3, arguments, ctypes.sizeof(arguments)))) >= 0:
            return pid
    return os.fork()


def become(order: "dict[str, Any]", streams: list[int], parent: int, report: int) -> "NoReturn":
    """In the child: turn into the command, or tell the parent why not."""
    argv = [word.encode("utf-8", "surrogateescape") for word in order["argv"]]
    doing = "prepare the process"
    try:
        os.setsid()
        if sys.platform == "linux":  # without a supervisor nobody would keep the limits
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(127)
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for target, source in enumerate(streams):
            os.dup2(source, target)
        doing = f"enter the working directory {order['cwd']}"
        os.chdir(order["cwd"].encode("utf-8", "surrogateescape"))
        doing = f"start {order['argv'][0]}"
        environment = {**os.environb, MARKER: order["marker"].encode()}
        if sys.platform == "linux" and b"\0LC_CTYPE=" not in b"\0" + contents("/proc/self/environ"):
            environment.pop(b"LC_CTYPE", b"")  # in a C locale Python itself adds it
        execute(argv, environment)
    except (OSError, ValueError, LookupError) as problem:
        text = getattr(problem, "strerror", None) or str(problem)
        os.write(report, f"cannot {doing}: {text}".encode("utf-8", "replace"))
    finally:
        os._exit(127)


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


def leave(record: int, facts: dict[str, object]) -> "NoReturn":
    """Write the exit record so that it is there whole or not at all, and end."""
    text = dump_json({"protocol": PROTOCOL, **facts, "ended_at": time.time_ns() // 1000}).encode() + b"\n"
    while written := os.write(record, text):
        text = text[written:]
    os.ftruncate(record, os.lseek(record, 0, os.SEEK_CUR))
    os.fsync(record)
    os.rename(f"exit.json.{os.getpid()}", "exit.json")
    os.fsync(os.open(".", os.O_RDONLY))
    os._exit(0)


def watch_over(order: "dict[str, Any]", lock: int, record: int, wake: Wake) -> "NoReturn":
    facts: dict[str, object] = {"started_at": time.time_ns() // 1000}
    wake.wait(0.0)
    if wake.stop_requested:
        leave(record, {**facts, "reason": "stopped"})
    try:
        streams = [os.open(order["stdin"] or os.devnull, os.O_RDONLY)]
        streams += [os.open(order[name], APPEND, 0o600) for name in ("stdout", "stderr")]
    except OSError as problem:
        leave(record, {**facts, "reason": "not_started", "error": f"{problem.filename}: {problem.strerror}"})
    pid, error = start(order, streams)
    if error:
        leave(record, {**facts, "reason": "not_started", "error": error})
    os.write(lock, dump_json({"agent": pid}).encode() + b"\n")
    try:
        os.write(1, f"{pid}\n".encode())
    except BrokenPipeError:
        os.close(1)  # the daemon is gone: the next one reads the claim
    os.dup2(streams[0], 1)
    tree = Tree(pid, wake)
    reason = tree.run(Clock(order["limits"], streams[1:]))
    tree.end(order["limits"]["grace_seconds"], MARKER + b"=" + order["marker"].encode())
    leave(record, {**facts, **tree.outcome(reason), "agent": pid})


def main(folder: str) -> None:
    os.chdir(folder)  # every name below is relative: the folder may be moved meanwhile
    os.closerange(3, 1024)
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    order, wake = load_json(contents("launch.json").decode(), 0)[0], Wake()
    record = os.open(f"exit.json.{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.pwrite(record, b" " * 4096, 0)  # room for it, should the disk fill up meanwhile
    lock = claim()
    if lock is not None and os.path.exists("launch.json"):  # else the folder is being removed
        watch_over(order, lock, record, wake)
    os.unlink(f"exit.json.{os.getpid()}")


if __name__ == "__main__":
    main(sys.argv[1])
