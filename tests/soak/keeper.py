"""Keeps a daemon going: starts one, notices its end, and starts the next."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

from tests.soak.journal import Journal
from tests.soak.scene import Scene

LONGEST_PAUSE = 0.6
"""Seconds for which there is no daemon, while others go on with being killed."""


class Keeper(threading.Thread):
    """`pid` is that of the daemon, as long as there is one."""

    def __init__(self, seed: str, scene: Scene, journal: Journal) -> None:
        super().__init__(name="keeper", daemon=True)
        self._rng, self._scene, self._journal = random.Random(f"{seed}/keeper"), scene, journal
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._told: set[int] = set()
        self._rivals: set[int] = set()

    @property
    def log(self) -> str:
        path = self._scene.folder / "daemon.stderr"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def run(self) -> None:
        while not self._over.is_set():
            with self._lock:
                process = self._process = self._start()
            twin = self._start() if self._rng.random() < 0.1 else None
            if twin is not None:
                self._one_leaves(process, twin)
                self._journal.done["two daemons started together"] += 1
            with self._lock:
                process = self._process
            process.wait()
            self._explain(process)
            if not self._over.is_set():
                self._over.wait(self._rng.uniform(0, LONGEST_PAUSE))

    def _start(self) -> "subprocess.Popen[bytes]":
        with (self._scene.folder / "daemon.stderr").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "codencer.daemon"],
                cwd=self._scene.top,
                env=self._scene.daemon_env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _one_leaves(self, first: "subprocess.Popen[bytes]", second: "subprocess.Popen[bytes]") -> None:
        """Of two daemons only one may stay; wait for the other to go."""
        self._rivals |= {first.pid, second.pid}
        while first.poll() is None and second.poll() is None:
            if self._over.wait(0.05):
                # Once: a second one would end it at once, and it might be the one that serves.
                self._told.add(second.pid)
                second.send_signal(signal.SIGTERM)
                second.wait(60)
        with self._lock:
            self._process = second if second.poll() is None else first
        gone = first if self._process is second else second
        self._explain(gone)

    def _explain(self, process: "subprocess.Popen[bytes]") -> None:
        """Nobody but us may end a daemon, unless its disk is full or another one was there first."""
        if process.returncode == 1 and process.pid in self._rivals:
            return
        now = time.time()
        if process.pid not in self._told and not self._journal.without_disk(now - 2, now):
            self._journal.trouble(f"a daemon ended by itself with {process.returncode}: {self.log}")

    def send(self, number: signal.Signals) -> bool:
        """Signal the daemon; False when there is none."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                return False
            if number in (signal.SIGKILL, signal.SIGTERM):
                self._told.add(self._process.pid)
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
            return True

    def drop(self) -> None:
        """Keep no daemon any more, in whatever state things are."""
        self._over.set()
        self.send(signal.SIGKILL)

    def end(self) -> int:
        """Stop the daemon politely and keep none any more; its exit code."""
        self._over.set()
        self.send(signal.SIGTERM)
        self.join(60)
        assert self._process is not None
        code = self._process.wait(60)
        # A rival that was still waiting for its turn knows no polite end.
        return 0 if code == -signal.SIGTERM and self._process.pid in self._rivals else code
