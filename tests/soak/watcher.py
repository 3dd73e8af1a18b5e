"""Follows the event stream across every daemon, and looks for orphans whenever a step settles."""

import threading
from typing import Any

from tests.soak import diaries, processes
from tests.soak.faces import Faces, Unanswered
from tests.soak.journal import Journal
from tests.soak.scene import Scene


class Watcher(threading.Thread):
    """`seen` is every event in order; `news` is notified with each one."""

    def __init__(self, scene: Scene, journal: Journal) -> None:
        super().__init__(name="watcher", daemon=True)
        self._scene, self._journal, self._faces = scene, journal, Faces(scene.state)
        self.seen: list[dict[str, Any]] = []
        self.settled: set[str] = set()
        self.news = threading.Condition()
        self._over = threading.Event()

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        while not self._over.is_set():
            try:
                for event in self._faces.events(self.seen[-1]["seq"] if self.seen else 0):
                    self._take(event)
            except Unanswered:
                self._over.wait(0.1)

    def _take(self, event: dict[str, Any]) -> None:
        with self.news:
            if self.seen and event["seq"] != self.seen[-1]["seq"] + 1:
                self._journal.trouble(f"event {event['seq']} came after {self.seen[-1]['seq']}")
            self.seen.append(event)
            if event["kind"] == "step.settled":
                self.settled.add(event["step_id"])
            elif event["kind"] == "step.retried":
                self.settled.discard(event["step_id"])
            self.news.notify_all()
        if event["kind"] == "attempt.ended":
            self._look_for_orphans(event["attempt_id"])

    def _look_for_orphans(self, attempt: str) -> None:
        for pid, ticks in diaries.read(self._scene.diaries / attempt).processes:
            if processes.runs(pid, ticks):
                with self._journal.lock:
                    self._journal.orphans.add(f"process {pid} of attempt {attempt}, which had ended")

    def await_news(self, seconds: float) -> None:
        with self.news:
            self.news.wait(seconds)

    def await_first(self, seconds: float) -> bool:
        """Wait until there is any event at all."""
        with self.news:
            return self.news.wait_for(lambda: bool(self.seen), seconds)

    def await_room(self, busy: list[str], seconds: float) -> None:
        """Wait until one of these has settled."""
        with self.news:
            self.news.wait_for(lambda: not self.settled.isdisjoint(busy), seconds)

    def await_settled(self, steps: set[str], seconds: float) -> set[str]:
        """Wait until these are all settled; returns those that are not when the time is over."""
        with self.news:
            self.news.wait_for(lambda: steps <= self.settled, seconds)
            return steps - self.settled
