"""A planner with a run of its own: submits, cancels, retries, aborts, and repeats what nobody answered."""

import json
import random
import threading
from typing import Any

from tests.soak import tasks
from tests.soak.faces import Faces, Refused, Unanswered
from tests.soak.journal import Asked, Journal
from tests.soak.scene import Scene
from tests.soak.watcher import Watcher

OUTSTANDING = 6
"""Unsettled steps that one planner mostly has at most."""


CHOICES = {"submit": 82, "cancel": 6, "retry": 8, "abort": 1, "look": 3}


class Planner(threading.Thread):
    """Its choices come from the seed; when they are made depends on the machine."""

    def __init__(self, name: str, seed: str, scene: Scene, journal: Journal, watcher: Watcher) -> None:
        super().__init__(name=name, daemon=True)
        self._rng = random.Random(f"{seed}/{name}")
        self._scene, self._journal, self._watcher = scene, journal, watcher
        self._faces = Faces(scene.state)
        self._over = threading.Event()
        self.unanswered = ""
        """Why the last request that was not answered was not."""
        self._run = ""
        self._mine: list[str] = []
        self._runs = self._made = 0

    def stop(self) -> None:
        """Ask for nothing new; what is being asked is brought to its answer."""
        self._over.set()

    def run(self) -> None:
        try:
            while not self._over.is_set():
                self._act()
        except Exception as problem:  # noqa: BLE001  (told in the report)
            self._journal.trouble(f"{self.name} broke: {problem!r}")

    def _act(self) -> None:
        if not self._run:
            self._begin_run()
        busy = [step for step in self._mine if step not in self._watcher.settled]
        idle = [step for step in self._mine if step in self._watcher.settled]
        if len(busy) >= OUTSTANDING and self._rng.random() < 0.9:
            self._watcher.await_room(busy, 1.0)
            return
        what = self._rng.choices(list(CHOICES), list(CHOICES.values()))[0]
        if what == "cancel" and busy:
            self._cancel(self._rng.choice(busy))
        elif what == "retry" and idle:
            self._retry(self._rng.choice(idle[-10:]))
        elif what == "abort" and len(self._mine) > 40:
            self._abort()
        elif what == "look" and self._mine:
            self._look(self._rng.choice(self._mine))
        else:
            self._submit()

    def _insist(self, method: str, path: str, body: object) -> Any:
        """Ask until there is an answer; a repeated request must be one that may be repeated."""
        while True:
            try:
                return self._faces.ask(method, path, body)
            except Unanswered as problem:
                self.unanswered = str(problem)
                self._watcher.await_news(0.1)

    def _begin_run(self) -> None:
        self._runs += 1
        run = f"{self.name}-{self._runs}"
        try:
            self._insist("POST", "runs", {"id": run})
        except Refused as refusal:
            if refusal.status != 409:  # an earlier request did it, and its answer was lost
                raise
        self._journal.runs[run] = False
        self._run, self._mine = run, []

    def _submit(self) -> None:
        self._made += 1
        task = tasks.make(self._rng, f"{self.name}-{self._made}")
        base = self._rng.choice(self._mine) if self._mine and self._rng.random() < 0.2 else None
        checkout = self._scene.hooked if task.hooked else self._scene.top
        body = {
            "text": task.goal,
            "format": "text",
            "overrides": task.overrides(base),
            "cwd": str(checkout),
            "idempotency_key": task.key,
        }
        try:
            if self._rng.random() < 0.1 and not task.hooked:
                step = self._submit_by_command(task, base)
            else:
                step = self._insist("POST", f"runs/{self._run}/steps", body)["id"]
        except Refused as refusal:
            if base is None or "snapshot" not in str(refusal):
                raise
            return  # what it should begin from left nothing
        with self._journal.lock:
            self._journal.steps[step] = Asked(run=self._run, task=task, base=base)
        self._mine.append(step)

    def _submit_by_command(self, task: tasks.Task, base: str | None) -> str:
        document = json.dumps({"goal": task.goal, **task.overrides(base)})
        words = ("submit", self._run, "--task-json", "-", "--idempotency-key", task.key)
        while True:
            code, answer = self._scene.cli(*words, stdin=document)
            if code == 0:
                return str(answer["id"])
            if code == 1:
                raise Refused(int(answer["status"] or 0), str(answer["message"]))
            self._watcher.await_news(0.1)

    def _cancel(self, step: str) -> None:
        self._journal.steps[step].cancelled = True
        try:
            self._insist("POST", f"steps/{step}/cancel", {})
        except Refused as refusal:
            if refusal.status != 409:
                raise

    def _retry(self, step: str) -> None:
        """Not repeated: a second one could be meant for what the first one has made already."""
        asked = self._journal.steps[step]
        body = {"feedback": "once more", "force": True}
        try:
            self._faces.ask("POST", f"steps/{step}/retry", body)
        except Unanswered:
            asked.perhaps += 1
        except Refused as refusal:
            if refusal.status != 409:
                raise
        else:
            asked.retries += 1
            with self._watcher.news:
                self._watcher.settled.discard(step)

    def _abort(self) -> None:
        for step in self._mine:
            self._journal.steps[step].cancelled = True
        try:
            self._insist("PATCH", f"runs/{self._run}", {"action": "abort"})
        except Refused as refusal:
            if refusal.status != 409:
                raise
        self._journal.runs[self._run] = True
        self._run = ""

    def _look(self, step: str) -> None:
        code, answer = self._scene.cli("step", "result", step)
        if code in (0, 2, 3, 4) and answer["step_id"] != step:
            self._journal.trouble(f"the result of {step} is that of {answer['step_id']}")
