"""Kill the supervisor or the agent: at most one start, the work is kept, and the record says what happened.

The daemon is halted at a failpoint meanwhile, or dead; the agent is held by a named pipe. What the
step becomes is in the table of terminal states: interrupted with unknown outcome is for a person
to look at, an agent that crashed is the adapter's failure.
"""

import ctypes
import json
import os
import select
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

AT_ONCE = 3
IN_CREATE, IN_MOVED_TO = 0x100, 0x80
LIBC = ctypes.CDLL(None, use_errno=True)

AGENT = """simulate: write half.txt half
simulate: child
simulate: run echo > {began}; read x < {gate}
simulate: write late.txt x"""
"""Leaves a process in a session of its own, says that it has begun, and waits to be let go."""


def await_file(path: Path) -> None:
    """Wait until there is such a file."""
    watcher = LIBC.inotify_init1(os.O_CLOEXEC)
    try:
        LIBC.inotify_add_watch(watcher, os.fsencode(path.parent), IN_CREATE | IN_MOVED_TO)
        while not path.exists():
            assert select.select([watcher], [], [], 30)[0], path
            os.read(watcher, 4096)
    finally:
        os.close(watcher)


@contextmanager
def handle(pid: int) -> Iterator[int]:
    opened = os.pidfd_open(pid)
    try:
        yield opened
    finally:
        os.close(opened)


def kill(pid: int) -> None:
    """End a process of a launch and wait for it."""
    with handle(pid) as opened:
        signal.pidfd_send_signal(opened, signal.SIGKILL)
        assert select.select([opened], [], [], 30)[0]


def owner(launch: Path) -> dict[str, int]:
    """The supervisor's pid, and the agent's once it is started."""
    lines = [json.loads(line) for line in (launch / "claim").read_text().splitlines()]
    return {"supervisor": lines[0]["pid"], **{key: line[key] for line in lines[1:] for key in line}}


class Held:
    """A task whose agent is held, and a daemon that is halted at a failpoint on its way."""

    def __init__(self, site: Any, client: Any, trap: tuple[str, int], *, let_go: bool = False) -> None:
        self.site, self.client = site, client
        self.began, self.gate = client.pipe("began"), client.pipe("gate")
        self.daemon = site.start(site.trap(*trap, action="stop"))
        assert site.opened(self.daemon), site.log
        checks = [{"name": "there", "command": "test -e half.txt"}]
        goal = AGENT.format(began=self.began, gate=self.gate)
        self.step = client.submit("held", goal, validations=checks)
        if let_go:
            self.let_go()
        assert self.daemon.halted(), site.log

    def let_go(self) -> None:
        """Wait until the agent is there, and let it end."""
        self.began.read_text()
        self.gate.write_text("go\n")

    def go_on(self) -> None:
        self.daemon.send(signal.SIGCONT)

    def supervisor_dies_between_claim_and_start(self, launch: Path) -> None:
        """Hold the supervisor where it opens the output, and kill it; the daemon is halted afterwards."""
        replace_by_pipe(launch / "stdout")
        self.go_on()
        await_file(launch / "claim")
        self.daemon.send(signal.SIGSTOP)
        assert self.daemon.halted()
        kill(owner(launch)["supervisor"])
        (launch / "stdout").unlink()
        (launch / "stdout").touch()

    def restart(self) -> None:
        """Kill the daemon and start another one."""
        assert self.daemon.end(signal.SIGKILL) == -signal.SIGKILL
        self.daemon = self.site.start()
        assert self.site.opened(self.daemon), self.site.log

    def outcome(self, state: str, starts: int = 1, files: tuple[str, ...] = ("half.txt",)) -> dict[str, Any]:
        """Wait for the end, check it, and stop the daemon."""
        self.client.settled(self.step)
        self.client.seen("workspace.released")
        found = self.client.outcome()
        step = found["steps"]["held"]
        assert (step["state"], tuple(step["files"]), len(found["starts"])) == (state, files, starts), step
        assert step["snapshot_tree"]
        assert self.daemon.end() == 0
        self.site.inspect()
        return dict(step)


@pytest.fixture
def held(ordeal: Any, tmp_path: Path) -> Iterator[Callable[..., Held]]:
    """`held("launch.spawn:after", 2)`: halted there for the second time."""
    with ordeal.site(tmp_path / "site") as site:
        yield lambda name, nth=1, **more: Held(site, ordeal.client(site), (name, nth), **more)


def moments(ordeal: Any, folder: Path) -> list[tuple[str, int]]:
    """The failpoints that are passed while the agent is there: name and how often before."""

    def scenario(client: Any) -> None:
        began, gate = client.pipe("began"), client.pipe("gate")
        step = client.submit("held", AGENT.format(began=began, gate=gate))
        began.read_text()
        client.seen("agent.started")
        gate.write_text("go\n")
        client.settled(step)
        client.seen("workspace.released")

    _, reached = ordeal.undisturbed(folder, scenario)
    window = range(reached.index("agent.launching:after") + 2, reached.index("agent.exited:before"))
    return [(reached[index], reached[: index + 1].count(reached[index])) for index in window]


def one_death(ordeal: Any, folder: Path, moment: tuple[str, int], victim: str, restarted: bool) -> None:
    with ordeal.site(folder) as site:
        case = Held(site, ordeal.client(site), moment)
        case.began.read_text()
        pids = owner(site.launch("agent-1"))
        if restarted:
            case.daemon.end(signal.SIGKILL)
        kill(pids[victim])
        if restarted:
            case.restart()
        else:
            case.go_on()
        step = case.outcome("needs_manual_attention" if victim == "supervisor" else "failed_adapter")
        assert "killed" in step["summary"]


@pytest.mark.parametrize("restarted", [False, True], ids=["daemon-alive", "daemon-dead"])
@pytest.mark.parametrize("victim", ["supervisor", "agent"])
def test_a_death_while_the_agent_works(ordeal: Any, tmp_path: Path, victim: str, restarted: bool) -> None:
    found = moments(ordeal, tmp_path / "undisturbed")
    assert {name for name, _ in found} >= {
        "launch.spawn:after",
        "agent.started:before",
        "agent.started:after",
    }

    def case(moment: tuple[str, int]) -> None:
        try:
            one_death(ordeal, tmp_path / "-".join(map(str, moment)), moment, victim, restarted)
        except Exception as problem:
            raise AssertionError(f"{victim} killed at {moment[0]}") from problem

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(case, found))


def supervisor_of(launch: Path) -> int:
    """A supervisor that has not claimed its launch yet."""
    words = os.fsencode(launch)
    for process in Path("/proc").glob("[0-9]*"):
        if (process / "cmdline").read_bytes().split(b"\0")[-2:] == [words, b""]:
            return int(process.name)
    raise AssertionError(f"nobody supervises {launch}")


def replace_by_pipe(path: Path) -> bytes:
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    return content


def kill_before_its_claim(launch: Path, daemon: Any) -> None:
    """Let a daemon that is halted before it starts a supervisor go on, and kill that one at once."""
    replace_by_pipe(launch / "launch.json")
    daemon.send(signal.SIGCONT)
    with (launch / "launch.json").open("wb"):  # it is there, and reads
        kill(supervisor_of(launch))


def test_a_supervisor_that_dies_before_its_claim_is_followed_by_another(held: Callable[..., Held]) -> None:
    case = held("launch.spawn:before", 2)
    kill_before_its_claim(case.site.launch("agent-1"), case.daemon)
    case.began.read_text()
    assert owner(case.site.launch("agent-2"))["agent"]
    assert json.loads((case.site.launch("agent-1") / "claim").read_text())["tombstone"]
    case.gate.write_text("go\n")
    case.outcome("completed", files=("half.txt", "late.txt"))


def test_an_agent_whose_supervisors_all_die_was_not_started(held: Callable[..., Held]) -> None:
    case = held("launch.spawn:before", 2)
    for number in (2, 3):
        # A daemon that comes back makes another launch, too: the ones before never got a supervisor.
        assert case.daemon.end(signal.SIGKILL) == -signal.SIGKILL
        case.daemon = case.site.start(f"stop launch.spawn:before 1 {case.site.folder / f'once-{number}'}")
        assert case.daemon.halted(), case.site.log
    kill_before_its_claim(case.site.launch("agent-3"), case.daemon)
    assert case.site.opened(case.daemon), case.site.log
    assert "nothing was started" in case.outcome("failed_adapter", starts=0, files=())["summary"]


@pytest.mark.parametrize("restarted", [False, True], ids=["daemon-alive", "daemon-dead"])
def test_a_supervisor_that_dies_between_claim_and_start(held: Callable[..., Held], restarted: bool) -> None:
    case = held("launch.spawn:before", 2)
    case.supervisor_dies_between_claim_and_start(case.site.launch("agent-1"))
    if restarted:
        case.restart()
    else:
        case.go_on()
    # Whether the agent was started is not known, so nobody starts it again.
    case.outcome("needs_manual_attention", starts=0, files=())


@pytest.mark.parametrize("restarted", [False, True], ids=["daemon-alive", "daemon-dead"])
def test_a_supervisor_that_dies_before_its_exit_record(held: Callable[..., Held], restarted: bool) -> None:
    case = held("agent.started:after")
    case.go_on()
    case.began.read_text()
    pids = owner(case.site.launch("agent-1"))
    os.kill(pids["supervisor"], signal.SIGSTOP)
    with handle(pids["agent"]) as agent:
        case.gate.write_text("go\n")
        assert select.select([agent], [], [], 30)[0]
    kill(pids["supervisor"])
    if restarted:
        case.restart()
    case.outcome("needs_manual_attention", files=("half.txt", "late.txt"))


@pytest.mark.parametrize(("launch", "nth"), [("hook-1", 1), ("validation-1-1", 3)])
def test_a_hook_or_validation_whose_supervisor_dies_is_done_again(
    held: Callable[..., Held], launch: str, nth: int
) -> None:
    case = held("launch.spawn:before", nth, let_go=nth > 2)
    case.supervisor_dies_between_claim_and_start(case.site.launch(launch))
    case.go_on()
    if nth == 1:
        case.let_go()
    case.outcome("completed", files=("half.txt", "late.txt"))


@pytest.mark.parametrize(("launch", "nth"), [("hook-1", 1), ("validation-1-1", 3)])
def test_a_hook_or_validation_whose_supervisor_never_comes_up_is_done_again(
    held: Callable[..., Held], launch: str, nth: int
) -> None:
    case = held("launch.spawn:before", nth, let_go=nth > 2)
    kill_before_its_claim(case.site.launch(launch), case.daemon)
    if nth == 1:
        case.let_go()
    case.outcome("completed", files=("half.txt", "late.txt"))


def test_a_slow_supervisor_finds_a_tombstone(held: Callable[..., Held]) -> None:
    case = held("launch.spawn:before", 2)
    first = case.site.launch("agent-1")
    order = replace_by_pipe(first / "launch.json")
    case.go_on()
    with (first / "launch.json").open("wb") as late, handle(supervisor_of(first)) as slow:
        case.restart()
        case.began.read_text()
        assert owner(case.site.launch("agent-2"))["agent"]
        late.write(order)
        late.close()
        assert select.select([slow], [], [], 30)[0]
    assert json.loads((first / "claim").read_text())["tombstone"]
    case.gate.write_text("go\n")
    case.outcome("completed", files=("half.txt", "late.txt"))
