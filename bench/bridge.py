"""The real daemon under measurement: started as users' commands start it, spoken to over its socket.

One event stream stays open in a thread of its own and notes when each event arrived here, so
what is measured is what a waiting client sees.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.scene import Scene, Unmeasured
from codencer.client.daemon import PREFIX, Daemon, path
from codencer.client.events import parse
from codencer.client.http import Endpoint
from codencer.errors import DaemonUnreachable
from codencer.locate import Descriptor, read_descriptor

RUN = "bench"
PATIENCE_SECONDS = 120.0
"""For one event; a checkout of 100,000 files on a busy disk takes a fraction of it."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a client saw, in seconds: until the submission was answered, from the submission to the
    verdict, and from the agent's end to the verdict."""

    id: str
    submitted: float
    seconds: float
    after_agent: float


class Watch(threading.Thread):
    """Every event of the daemon, with the moment it arrived on the monotonic and on the wall clock."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(name="watch", daemon=True)
        self._daemon = daemon
        self._arrived: dict[tuple[str, str], tuple[float, float]] = {}
        self._recorded: dict[str, int] = {}
        self._changed = threading.Condition()
        self._connected = threading.Event()
        self.start()
        self._connected.wait(PATIENCE_SECONDS)

    def run(self) -> None:
        try:
            with self._daemon.open("GET", f"{PREFIX}/events", query={"after": 0}) as response:
                response.wait_at_most(None)
                self._connected.set()
                for seen in parse(response.pieces()):
                    moment = (time.monotonic(), time.time())
                    with self._changed:
                        self._arrived[str(seen.record.get("step_id")), seen.kind] = moment
                        self._recorded[seen.kind] = int(seen.record["at"])
                        self._changed.notify_all()
        except DaemonUnreachable:
            pass  # the daemon was stopped: the end of every measurement

    def wait(self, step: str, kind: str) -> tuple[float, float]:
        """Return when the event arrived: (monotonic, wall clock) in seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: (step, kind) in self._arrived, PATIENCE_SECONDS):
                raise Unmeasured(f"no {kind} of {step} came within {PATIENCE_SECONDS:g} s")
            return self._arrived[step, kind]

    def recorded(self, kind: str, since: float) -> float:
        """When the ledger wrote an event of a kind, not before `since`: wall clock in seconds."""
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._recorded.get(kind, 0) >= since * 1e6, PATIENCE_SECONDS
            ):
                raise Unmeasured(f"no {kind} came within {PATIENCE_SECONDS:g} s")
            return self._recorded[kind] / 1e6


class Bridge:
    """A running daemon of one repository."""

    def __init__(self, top: Path, seconds_to_answer: float) -> None:
        self.top, self.seconds_to_answer = top, seconds_to_answer
        self.descriptor = _descriptor(top)
        self.pid = self.descriptor.pid
        self.daemon = Daemon(Endpoint(unix=self.descriptor.socket))
        self.watch = Watch(self.daemon)
        if not any(run["id"] == RUN for run in self.daemon.get(path("runs"))):
            self.daemon.post(path("runs"), {"id": RUN})

    @property
    def state(self) -> Path:
        return Path(self.descriptor.state_dir)

    def submit(self, adapter: str = "nothing", goal: str = "Do nothing.", **task: object) -> str:
        """Submit a step, with further keys of its task, and return its id once it is recorded."""
        body = {"text": goal, "format": "text", "overrides": {"adapter_profile": adapter, **task}}
        answer: dict[str, Any] = self.daemon.post(path("runs", RUN, "steps"), body | {"cwd": str(self.top)})
        return str(answer["id"])

    def step(self) -> Step:
        """Take one step through, then wait until it has left nothing to be cleaned up."""
        began = time.monotonic()
        step = self.submit()
        submitted = time.monotonic() - began
        settled, settled_at = self.watch.wait(step, "step.settled")
        self.watch.wait(step, "workspace.released")
        self.calm()
        return Step(
            id=step,
            submitted=submitted,
            seconds=settled - began,
            after_agent=settled_at - self.end_of_agent(step),
        )

    def end_of_agent(self, step: str) -> float:
        """When the agent ended by its own clock: it printed the time as its last act."""
        return int(b"".join(self.daemon.pieces(path("steps", step, "logs")))) / 1e9

    def claim(self, step: str) -> dict[str, Any]:
        """What the supervisor of a running step says about itself: its pid and its agent's."""
        attempt = self.daemon.get(path("steps", step, "attempts"))[-1]
        folder = self.state / "launches" / str(attempt["id"]) / str(attempt["launch"])
        said: dict[str, Any] = {}
        for line in (folder / "claim").read_bytes().splitlines():
            said |= json.loads(line)
        return said

    def calm(self) -> None:
        """Wait until the trash is empty: its deletion must not disturb what is measured next."""
        trash = Path(self.descriptor.workspace_root) / "trash"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(trash.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.005)


@contextmanager
def bridge(
    scene: Scene, top: Path, settings: Mapping[str, str] | None = None, under: Sequence[str] = ()
) -> Iterator[Bridge]:
    """Start a daemon and stop it at the end.

    Args:
        settings: `CODENCER_…` variables for it.
        under: words in front of its command, such as a tracer's.
    """
    began = time.monotonic()
    reader, writer = os.pipe()
    command = [sys.executable, "-P", "-m", "codencer.daemon", "--repo", str(top), "--port", "0"]
    with (scene.folder / "daemon.out").open("ab") as out:
        process = subprocess.Popen(
            [*under, *command, "--ready-fd", str(writer)],
            env=scene.environ | dict(settings or {}),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=[writer],
            start_new_session=True,
        )
    os.close(writer)
    with open(reader, "rb") as answer:
        word = json.loads(answer.readline() or b"{}")
    try:
        if not word.get("ready"):
            raise Unmeasured(f"the daemon did not start: {word.get('message') or _last_words(scene)}")
        Daemon(Endpoint(unix=_descriptor(top).socket)).get(path("instance"))
        yield Bridge(top, time.monotonic() - began)
    finally:
        # Not `process.terminate()`: a tracer keeps the signal to itself.
        if word.get("ready"):
            os.kill(int(word["pid"]), signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


def _last_words(scene: Scene) -> str:
    lines = (scene.folder / "daemon.out").read_text("utf-8", "replace").splitlines()
    return lines[-1] if lines else "it ended"


def forget(top: Path) -> None:
    """Remove what a stopped daemon has left in a repository, so that the next one begins anew."""
    shutil.rmtree(top / ".git" / "codencer", ignore_errors=True)


def _descriptor(top: Path) -> Descriptor:
    found = read_descriptor(top / ".git")
    if found is None:
        raise Unmeasured("the daemon has not published itself")
    return found
