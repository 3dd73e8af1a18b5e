"""A reboot, a copied state folder, two daemons at once, a supervisor of another version."""

import asyncio
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from codencer.process.watch import changed

GOAL = """simulate: write half.txt half
simulate: run echo > {began}; read x < {gate}
simulate: write late.txt x"""


class Working:
    """A task whose agent is at work, and holds until `go`."""

    def __init__(self, site: Any, client: Any) -> None:
        self.site, self.client = site, client
        began, self.gate = client.pipe("began"), client.pipe("gate")
        self.daemon = site.start()
        assert site.opened(self.daemon), site.log
        self.step = client.submit("work", GOAL.format(began=began, gate=self.gate))
        began.read_text()
        client.seen("agent.started")
        self.launch = site.launch("agent-1")
        first, second = (self.launch / "claim").read_text().splitlines()
        self.claim = json.loads(first) | json.loads(second)

    def go(self) -> None:
        self.gate.write_text("go\n")

    def kill_daemon(self) -> None:
        assert self.daemon.end(signal.SIGKILL) == -signal.SIGKILL

    def start(self) -> None:
        self.daemon = self.site.start()
        assert self.site.opened(self.daemon), self.site.log

    def await_supervisor(self, number: int = 0) -> None:
        """Wait for the end of the supervisor, having sent it a signal if one is given."""
        handle = os.pidfd_open(self.claim["pid"])
        try:
            signal.pidfd_send_signal(handle, number)
            if number == 0:
                self.go()
            assert select.select([handle], [], [], 30)[0]
        finally:
            os.close(handle)

    def reboot(self, **claim: object) -> None:
        """Make the claim one of an earlier boot, which nobody locks any more."""
        said = {**self.claim, "boot_id": "an-earlier-boot", **claim}
        (self.launch / "claim").write_text(json.dumps(said) + "\n")

    def ended(self, state: str, *files: str) -> None:
        """Wait for the end, check it, and stop the daemon."""
        self.client.settled(self.step)
        self.client.seen("workspace.released")
        found = self.client.outcome()
        step = found["steps"]["work"]
        assert (step["state"], step["files"], found["starts"]) == (state, list(files), ["work"]), step
        assert self.daemon.end() == 0
        self.site.inspect()


@pytest.fixture
def working(ordeal: Any, tmp_path: Path) -> Iterator[Working]:
    with ordeal.site(tmp_path / "site") as site:
        yield Working(site, ordeal.client(site))


@pytest.fixture
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has nothing to do with any of it."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_after_a_reboot_the_number_of_a_supervisor_means_nothing(
    working: Working, bystander: "subprocess.Popen[bytes]"
) -> None:
    working.kill_daemon()
    working.await_supervisor(signal.SIGKILL)
    working.reboot(pid=bystander.pid, agent=bystander.pid)
    working.start()
    working.ended("needs_manual_attention", "half.txt")
    assert bystander.poll() is None


def test_an_agent_that_ended_before_the_reboot_is_collected(working: Working) -> None:
    working.kill_daemon()
    working.await_supervisor()
    working.reboot()
    working.start()
    working.ended("completed", "half.txt", "late.txt")


def test_a_copied_clone_leaves_the_original_alone(ordeal: Any, working: Working, tmp_path: Path) -> None:
    working.kill_daemon()
    with ordeal.site(tmp_path / "copy") as copy:
        shutil.rmtree(copy.top)
        shutil.copytree(working.site.top, copy.top, symlinks=True)
        daemon, client = copy.start(), ordeal.client(copy)
        assert copy.opened(daemon), copy.log
        # What its agent did is not here: a person must look.
        assert client.settled(working.step)["state"] == "needs_manual_attention"
        assert copy.instance != working.site.instance
        assert daemon.end() == 0
        assert Path(f"/proc/{working.claim['agent']}").exists()
    working.start()
    working.go()
    working.ended("completed", "half.txt", "late.txt")


def test_of_two_daemons_started_together_one_serves_and_the_other_waits(working: Working) -> None:
    working.kill_daemon()
    site = working.site
    with ThreadPoolExecutor(2) as pool:
        opening = {pool.submit(site.opened, each): each for each in (site.start(), site.start())}
        first, waiting = wait(opening, 30, return_when=FIRST_COMPLETED)
        assert [each.result() for each in first] == [True], site.log
        working.go()
        working.client.settled(working.step)
        working.client.seen("workspace.released")
        assert not any(each.done() for each in waiting)
        assert [opening[each].end() for each in first] == [0]
        assert [each.result() for each in waiting] == [True], site.log
    (working.daemon,) = (opening[each] for each in waiting)
    working.ended("completed", "half.txt", "late.txt")


async def says(log: Path, words: str) -> None:
    async with asyncio.timeout(30), aclosing(changed(log)) as looks:
        async for _ in looks:
            if words in await asyncio.to_thread(log.read_text):
                return


def test_a_record_of_a_newer_supervisor_is_not_judged(working: Working) -> None:
    working.kill_daemon()
    working.await_supervisor()
    record = working.launch / "exit.json"
    said = json.loads(record.read_text())
    record.write_text(json.dumps(said | {"protocol": 99}))
    working.start()
    asyncio.run(says(working.site.state / "daemon.log", "newer supervisor"))
    (step,) = working.client.get("runs", "r", "steps")
    assert not step["settled"]
    working.kill_daemon()
    record.write_text(json.dumps(said))
    working.start()
    working.ended("completed", "half.txt", "late.txt")


def test_a_git_that_outlived_its_daemon_is_waited_for(ordeal: Any, tmp_path: Path) -> None:
    with ordeal.site(tmp_path / "site") as site, ThreadPoolExecutor(1) as pool:
        client = ordeal.client(site)
        began, gate = client.pipe("began"), client.pipe("gate")
        site.git("config", "filter.slow.smudge", f"echo > {began}; read x < {gate}; cat")
        (site.top / ".git" / "info").mkdir(exist_ok=True)
        (site.top / ".gitattributes").write_text("code.txt filter=slow\n")
        site.git("add", ".gitattributes")
        site.git("commit", "--quiet", "-m", "a slow filter")
        first = site.start()
        assert site.opened(first), site.log
        step = client.submit("work", "simulate: write new.txt x")
        began.read_text()
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
        second = site.start()
        opened = pool.submit(site.opened, second)
        assert not wait([opened], 0.5).done, "the checkout of the daemon before is still being written"
        gate.write_text("go\n")
        assert opened.result(), site.log
        began.read_text()
        gate.write_text("go\n")
        assert client.settled(step)["state"] == "completed"
        client.seen("workspace.released")
        assert second.end() == 0
        site.inspect()
