"""Real daemons that are killed at a named moment, and the proof that nothing came of it.

A `Site` is a repository with a home; a `Client` talks to whichever daemon serves it now and
repeats what was not answered, as a planner would. What it leaves is compared with what the same
requests leave undisturbed.
"""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import codencer
from codencer.client.daemon import Daemon, path
from codencer.client.events import follow
from codencer.client.http import Endpoint
from codencer.client.wait import wait_for_step
from codencer.errors import Conflict, DaemonUnreachable
from codencer.failpoints import VARIABLE
from codencer.ledger import verify

SOURCE = Path(codencer.__file__).parents[1]
SECONDS = 40
_AGENT = SOURCE / "codencer" / "testing" / "scripted_acp_agent.py"
TWO_WAY = f"""
[adapters.two-way]
command = {json.dumps([sys.executable, "-I", "-S", os.fspath(_AGENT), "--free"])}
protocol = "acp"
approvals = "ask"
"""
"""An agent that is spoken with, and asks a person."""
PROVISIONING = {"provisioning": {"copy": [".env"], "hooks": {"post_create": "echo made > made.txt"}}}
AGAIN = {
    "version": "v1",
    "name": "again",
    "retry_when": {"adapter_process_failed": True, "backoff_seconds": 1, "from": "snapshot"},
    "continue_when": {},
}
FILES = {
    "README.md": "A repository.\n",
    "code.txt": "broken\n",
    ".gitignore": ".env\n",
    ".codencer/workspace.json": json.dumps(PROVISIONING),
    ".codencer/config.toml": TWO_WAY,
    ".codencer/policies/again.yaml": json.dumps(AGAIN),
}


class Process:
    """A daemon, through its keeper in the nursery."""

    def __init__(self, nursery: Path, request: Mapping[str, Any]) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(SECONDS)
        self._connection.connect(os.fspath(nursery))
        self._connection.sendall(json.dumps(request).encode() + b"\n")
        self._lines = self._connection.makefile("rb")
        self.said: dict[str, Any] = {}
        self.pid = int(self.until("pid")["pid"])

    def until(self, *keys: str) -> dict[str, Any]:
        """Read on until one of these has been said."""
        while not any(key in self.said for key in keys):
            line = self._lines.readline()
            assert line, self.said
            self.said |= json.loads(line)
        return self.said

    def send(self, number: signal.Signals) -> None:
        if number == signal.SIGCONT:
            self.said.pop("halted", None)
        if "ended" not in self.said:
            os.kill(self.pid, number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and return how it ended."""
        self.send(number)
        return self.ended()

    def ended(self) -> int:
        return int(self.until("ended")["ended"])

    def halted(self) -> bool:
        """Wait for the failpoint that halts it; False when it ended instead."""
        return "halted" in self.until("halted", "ended")

    def close(self) -> None:
        """Kill it if it still is there."""
        try:
            self.end(signal.SIGKILL)
        finally:
            self._lines.close()
            self._connection.close()


class Site:
    """A repository, its home, and whichever daemon serves it at the moment."""

    def __init__(self, folder: Path, env: dict[str, str], nursery: Path) -> None:
        self.folder, self.env, self._nursery = folder, env, nursery
        self.top, self.state = folder / "repo", folder / "repo" / ".git" / "codencer"
        self.counter = folder / "starts"
        """One line for each time an agent was started."""
        self._started: list[Process] = []
        self._news = threading.Condition()
        self._daemons = 0

    @property
    def instance(self) -> str:
        return str(json.loads((self.state / "instance.json").read_bytes())["id"])

    @property
    def home(self) -> Path:
        """Where workspaces and trash are."""
        return self.folder / "home" / ".local" / "state" / "codencer" / self.instance

    def launch(self, name: str) -> Path:
        """The folder of a launch of the only attempt there is."""
        (attempt,) = (self.state / "launches").iterdir()
        return attempt / name

    def trap(self, name: str, nth: int = 1, action: str = "kill") -> str:
        return f"{action} {name} {nth} {self.folder / 'once'}"

    def start(self, trap: str = "") -> Process:
        """Start a daemon; `trap` is a failpoint."""
        env = self.env | ({VARIABLE: trap} if trap else {})
        request = {"cwd": os.fspath(self.top), "env": env, "log": os.fspath(self.folder / "stderr")}
        self._started.append(Process(self._nursery, request))
        return self._started[-1]

    def close(self) -> None:
        """Kill whatever still runs here, after a test that went wrong."""
        for process in self._started:
            process.close()
        for pid in left_running(self):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def opened(self, process: Process) -> bool:
        """Wait until the daemon listens, and tell every client; False when it did not come to that."""
        if "ready" not in process.until("ready", "ended", "halted"):
            return False
        with self._news:
            self._daemons += 1
            self._news.notify_all()
        return True

    def serving(self, after: int = 0) -> int:
        """Wait for a daemon later than that one; returns its number."""
        with self._news:
            assert self._news.wait_for(lambda: self._daemons > after, SECONDS), self.log
            return self._daemons

    @property
    def log(self) -> str:
        paths = [self.folder / "stderr", self.state / "daemon.log"]
        return "\n".join(each.read_text()[-4000:] for each in paths if each.exists())

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.top, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout.strip()

    def inspect(self) -> None:
        """What must hold once the daemon has been stopped: nothing missing, nothing left over."""
        report = verify(self.state / "codencer.db")
        assert report.ok, report
        refs = dict(line.split()[::-1] for line in self.git("show-ref").splitlines())
        kept = {name: commit for name, commit in refs.items() if name.startswith("refs/codencer/attempts/")}
        assert kept == self._snapshots()
        self.git("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
        assert left_running(self) == {}
        for folder in (self.home / "workspaces", self.home / "trash", self.state / "launches"):
            assert [each.name for each in folder.iterdir()] == [], folder
        ours = [*(self.top / ".git").glob("codencer-*"), *self.folder.rglob(".codencer-*")]
        assert [each for each in (*ours, self.top / ".git" / "index.lock") if each.exists()] == []

    def recorded(self, kind: str) -> list[dict[str, Any]]:
        """What every event of this kind says, in order."""
        with self._ledger() as ledger:
            rows = ledger.execute("SELECT body FROM events WHERE kind = ? ORDER BY seq", (kind,))
            return [json.loads(body) for (body,) in rows]

    def _ledger(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(f"file:{self.state / 'codencer.db'}?mode=ro", uri=True))

    def _snapshots(self) -> dict[str, str]:
        with self._ledger() as ledger:
            rows = ledger.execute(
                "SELECT attempt_id, body FROM events WHERE kind = 'snapshot.taken' AND attempt_id NOT IN "
                "(SELECT attempt_id FROM events WHERE kind = 'snapshot.expired')"
            )
            taken = ((attempt, json.loads(body)["snapshot"]) for attempt, body in rows)
            return {f"refs/codencer/attempts/{attempt}": each["commit"] for attempt, each in taken}


class Client:
    """A planner that repeats what was not answered."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.acknowledged: set[str] = set()
        self._daemon = Daemon(Endpoint(unix="/nobody"), self._find)
        self._deadline = time.monotonic() + SECONDS

    def _find(self) -> Endpoint:
        try:
            described = json.loads((self.site.state / "daemon.json").read_bytes())
        except FileNotFoundError as problem:
            raise DaemonUnreachable("no daemon has published itself") from problem
        return Endpoint(unix=described["socket"])

    def ask(self, do: Callable[[Daemon], Any]) -> Any:
        """Do it until it is answered; a repeated request that meets its own effect is done."""
        number, repeated = self.site.serving(), False
        while True:
            try:
                self._daemon.find_again()
                return do(self._daemon)
            except DaemonUnreachable:
                number, repeated = self.site.serving(after=number), True
            except Conflict:
                if not repeated:
                    raise
                return None

    def get(self, *parts: str) -> Any:
        return self.ask(lambda daemon: daemon.get(path(*parts)))

    def act(self, step: str, action: str, **body: object) -> Any:
        return self.ask(lambda daemon: daemon.post(path("steps", step, action), body))

    def start_run(self, **budget: object) -> None:
        body = {"id": "r", "budget": budget or None}
        self.ask(lambda daemon: daemon.post(path("runs"), body) if not runs(daemon) else None)

    def change(self, action: str, **more: object) -> Any:
        body = {"action": action, **more}
        return self.ask(lambda daemon: daemon.call("PATCH", path("runs", "r"), body=body))

    def collect_garbage(self, older_than_days: int) -> Any:
        body = {"older_than_days": older_than_days}
        return self.ask(lambda daemon: daemon.post(path("gc"), body))

    def submit(self, name: str, goal: str, **task: object) -> str:
        """Submit a step whose agent leaves a line in the counter; returns its id."""
        text = f"simulate: run echo {name} >> {self.site.counter}\n{goal}"
        overrides = {"adapter_profile": "simulation", "step_id": name, **task}
        body = {
            "text": text,
            "format": "text",
            "overrides": overrides,
            "idempotency_key": name,
            "trust": True,
        }
        self.start_run()
        step = self.ask(lambda daemon: daemon.post(path("runs", "r", "steps"), body))
        self.acknowledged.add(step["id"])
        return str(step["id"])

    def pipe(self, name: str) -> Path:
        """A named pipe to hold an agent with, or to hear from it."""
        made = self.site.folder / name
        os.mkfifo(made)
        return made

    def settled(self, step: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(lambda daemon: wait_for_step(daemon, step, timeout=SECONDS))
        return found

    def seen(self, kind: str, count: int = 1) -> None:
        """Wait until so many events of this kind are in the record."""

        def look(daemon: Daemon) -> None:
            left = count
            for _ in follow(daemon, kinds=(kind,), deadline=self._deadline):
                left -= 1
                if not left:
                    return

        self.ask(look)

    def outcome(self) -> dict[str, Any]:
        """What the planner and the repository see in the end, without ids and times."""
        steps = self.get("runs", "r", "steps")
        assert {each["id"] for each in steps} >= self.acknowledged
        site = self.site
        heads = site.git("for-each-ref", "--format=%(refname)", "refs/heads").split()
        return {
            "run": self.get("runs", "r")["state"],
            "gates": [each["state"] for each in self.get("runs", "r", "gates")],
            "steps": {each["name"]: self._of_step(each) for each in steps},
            "starts": sorted(site.counter.read_text().split()),
            "trees": {each: site.git("rev-parse", f"{each}^{{tree}}") for each in heads},
            "status": site.git("status", "--porcelain"),
        }

    def _of_step(self, step: Mapping[str, Any]) -> dict[str, Any]:
        result = self.get("steps", step["id"], "result")
        assert result["state"] == step["state"]
        keys = (
            "state",
            "revision",
            "summary",
            "retryable",
            "attempt_number",
            "snapshot_tree",
            "validated_tree",
        )
        validations = [(each["name"], each["state"]) for each in result["validations"]]
        files = [each["path"] for each in result["files_changed"]]
        # An interrupted hook runs again, as a launch with a number of its own.
        artifacts = sorted({re.sub("hook-[0-9]+", "hook", each) for each in result["artifacts"]})
        return {key: result[key] for key in keys} | {
            "validations": validations,
            "files": files,
            "artifacts": artifacts,
            "settled": step["settled"],
        }


Scenario = Callable[[Client], None]


def runs(daemon: Daemon) -> Any:
    return daemon.get(path("runs"))


def left_running(site: Site) -> dict[int, str]:
    """Processes of any launch of this instance, supervisors and gits of ours included."""
    folder, found = os.fsencode(site.folder), {}
    place = b"GIT_DIR=" + folder
    marker = site.instance.encode() if (site.state / "instance.json").exists() else place
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line, environ = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if line and (folder in line or marker in environ or place in environ):
            found[int(process.name)] = line.replace(b"\0", b" ").decode()
    return found


@dataclass(frozen=True)
class Ordeal:
    """What the tests ask of the fixtures."""

    nursery: Path
    template: Path
    bytecode: Path

    @contextmanager
    def site(self, folder: Path) -> Iterator[Site]:
        """A fresh repository; whatever still runs in it is killed in the end."""
        folder.mkdir(parents=True)
        shutil.copytree(self.template, folder / "repo", symlinks=True)
        settings = folder / "home" / ".config" / "codencer" / "config.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'[adapters.simulation]\nwrite = ["{folder}"]\n')
        shutil.copy(Path(os.environ["HOME"]) / ".gitconfig", folder / "home" / ".gitconfig")
        runtime = tempfile.mkdtemp(prefix="cdr-", dir="/tmp")
        dropped = ("CODENCER", "XDG", "GIT", "PYTHONDONTWRITEBYTECODE")
        env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        env |= {
            "HOME": os.fspath(folder / "home"),
            "XDG_RUNTIME_DIR": runtime,
            "PYTHONPATH": os.fspath(SOURCE),
            "PYTHONPYCACHEPREFIX": os.fspath(self.bytecode),
            "CODENCER_PORT": "0",
        }
        site = Site(folder, env, self.nursery)
        site.counter.touch()
        try:
            yield site
        finally:
            site.close()
            shutil.rmtree(runtime, ignore_errors=True)

    def client(self, site: Site) -> Client:
        return Client(site)

    def undisturbed(self, folder: Path, scenario: Scenario) -> tuple[dict[str, Any], list[str]]:
        """What a scenario leaves when nothing happens, and every failpoint it reaches, in order."""
        with self.site(folder) as site:
            reached = folder / "reached"
            process, client = site.start(f"record {reached}"), Client(site)
            assert site.opened(process), site.log
            scenario(client)
            found = client.outcome()
            assert process.end() == 0
            site.inspect()
            return found, reached.read_text().split()

    def killed(self, folder: Path, scenario: Scenario, name: str, nth: int) -> dict[str, Any]:
        """The same with a daemon that is killed at that moment and started again."""
        with self.site(folder) as site, ThreadPoolExecutor(1) as planner:
            trap, client = site.trap(name, nth), Client(site)
            process = site.start(trap)
            work = planner.submit(scenario, client)
            # When it comes to an end before the daemon is killed, the moment was never reached.
            work.add_done_callback(lambda _: process.send(signal.SIGTERM))
            site.opened(process)
            assert process.ended() == -signal.SIGKILL, (name, nth, work.exception(), site.log)
            again = site.start(trap)
            assert site.opened(again), site.log
            work.result(SECONDS)
            found = client.outcome()
            assert again.end() == 0
            site.inspect()
            return found


@pytest.fixture(scope="session")
def nursery(session_home: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cdr-", dir="/tmp"))
    program = Path(__file__).with_name("nursery.py")
    env = {**os.environ, "PYTHONPATH": os.fspath(SOURCE)}
    with subprocess.Popen(
        [sys.executable, "-P", program, folder / "socket"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield folder / "socket"
        process.stdin.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def ordeal(nursery: Path, bytecode: Path, tmp_path_factory: pytest.TempPathFactory) -> Ordeal:
    template = tmp_path_factory.mktemp("template")
    for name, text in FILES.items():
        (template / name).parent.mkdir(parents=True, exist_ok=True)
        (template / name).write_text(text)
    for words in (("init", "--quiet", "--template="), ("add", "--all"), ("commit", "--quiet", "-m", "first")):
        subprocess.run(["git", *words], cwd=template, check=True)
    (template / ".env").write_text("SECRET=1\n")
    return Ordeal(nursery, template, bytecode)
