"""The independent look at what came of it: five numbers that must be zero, and a line for each thing wrong.

It compares what was acknowledged (the journal) and what the agents wrote down (the diaries) with
what the daemon says over HTTP, and with the refs and objects of the repository.
"""

import hashlib
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.soak import diaries
from tests.soak.faces import Faces
from tests.soak.journal import Asked, Journal
from tests.soak.scene import Scene

NUMBERS = ("lost", "duplicated", "orphaned", "work lost", "wrong")
SNAPSHOTS = "refs/codencer/attempts/"

# What a step may come to, besides what its task says, when this was killed under it.
_AFTER = {
    "agent": {"failed_adapter"},
    "tool": {"failed_adapter"},
    "hook": {"failed_terminal"},
    "validation": {"failed_validation", "completed_with_warnings"},
    # The second one when it had not come to start the agent.
    "supervisor of agent": {"needs_manual_attention", "failed_adapter"},
    "supervisor of hook": {"failed_terminal"},
    "supervisor of validation": {"failed_validation", "completed_with_warnings"},
}
_TIMES = {"supervisor of hook": 3, "supervisor of validation": 3}
"""What is done again when it was cut off, fails when that happened so often."""


@dataclass
class Findings:
    """`wrong` is any other promise that did not hold: a verdict, the chain, the user's files."""

    found: dict[str, list[str]] = field(default_factory=lambda: {number: [] for number in NUMBERS})
    states: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    tokens: int = 0

    def add(self, number: str, what: str) -> None:
        self.found[number].append(what)

    @property
    def good(self) -> bool:
        return not any(self.found.values())


class Check:
    """Used while a daemon runs undisturbed and all steps should be settled."""

    def __init__(self, scene: Scene, journal: Journal) -> None:
        self._scene, self._journal = scene, journal
        self._faces = Faces(scene.state)
        self.findings = Findings()
        self._refs: dict[str, str] = {}
        self._snapshots: dict[str, set[str]] = {}
        """By step, the commits of its snapshots."""
        self._without: set[str] = set()
        """Steps that left no snapshot at some time, so that another one had nothing to begin from."""

    def steps(self) -> None:
        """Every acknowledged step and all its attempts."""
        lines = self._scene.git("for-each-ref", "--format=%(refname) %(objectname)", SNAPSHOTS)
        self._refs = dict(line.removeprefix(SNAPSHOTS).split() for line in lines.splitlines())
        shown = self._listed()
        for step_id in self._journal.steps.keys() - shown.keys():
            self.findings.add("lost", f"step {step_id} was acknowledged and is not there")
        with ThreadPoolExecutor(4) as pool:
            attempts = dict(zip(shown, pool.map(self._attempts, shown), strict=True))
        for step_id, tries in attempts.items():
            self._snapshots[step_id] = {each["snapshot"]["commit"] for each in tries if each["snapshot"]}
            if not tries or not all(each["snapshot"] for each in tries):
                self._without.add(step_id)
        for step_id, step in shown.items():
            self._step(step, attempts[step_id])
        known = {each["id"] for tries in attempts.values() for each in tries}
        for name in {path.name for path in self._scene.diaries.iterdir()} - known:
            self.findings.add(
                "duplicated", f"an agent ran for attempt {name}, which the record does not know"
            )

    def _listed(self) -> dict[str, dict[str, Any]]:
        """The steps of all runs; each was asked for exactly once."""
        found: dict[str, dict[str, Any]] = {}
        listed = {run["id"]: run for run in self._faces.get("runs")}
        for run, aborted in self._journal.runs.items():
            if run not in listed:
                self.findings.add("lost", f"run {run} was acknowledged and is not there")
            elif aborted and listed[run]["state"] != "cancelled":
                self.findings.add("lost", f"the abort of run {run} was acknowledged: {listed[run]['state']}")
        for run in listed:
            found |= {step["id"]: step for step in self._faces.get(f"runs/{run}/steps")}
        for title, count in Counter(step["title"] for step in found.values()).items():
            if count > 1:
                self.findings.add("duplicated", f"task {title} was submitted once and is there {count} times")
        for step_id in found.keys() - self._journal.steps.keys():
            self.findings.add("wrong", f"nobody was told of step {step_id}")
        return found

    def _attempts(self, step_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._faces.get(f"steps/{step_id}/attempts")
        return found

    def _step(self, step: Mapping[str, Any], attempts: list[dict[str, Any]]) -> None:
        findings, asked = self.findings, self._journal.steps.get(step["id"])
        findings.states[step["state"]] += 1
        findings.attempts += len(attempts)
        who = f"step {step['id']} ({step['title']}, {step['state']})"
        if asked is None:
            return
        if not step["settled"]:
            findings.add("lost", f"{who} never settled")
        if not asked.retries <= step["revision"] <= asked.retries + asked.perhaps:
            findings.add("lost", f"{who} has revision {step['revision']}, not {asked.retries}")
        if len(attempts) > step["revision"] + 1:
            findings.add("duplicated", f"{who} has {len(attempts)} attempts at revision {step['revision']}")
        result = self._faces.get(f"steps/{step['id']}/result")
        if result["state"] != step["state"]:
            findings.add("wrong", f"{who}: its result says {result['state']}")
        begun = asked.base is not None and attempts and attempts[-1]["workspace"]
        if begun and step["base"]["commit"] not in self._snapshots[asked.base or ""]:
            findings.add("wrong", f"{who} does not begin from a snapshot of {asked.base}")
        for attempt in attempts:
            self._attempt(asked, attempt)
        self._evidence(step)

    def _attempt(self, asked: Asked, attempt: Mapping[str, Any]) -> None:
        findings, diary = self.findings, diaries.read(self._scene.diaries / attempt["id"])
        state = attempt["result_state"]
        who = f"attempt {attempt['id']} ({asked.task.key}, {asked.task.kind}, {state})"
        if attempt["state"] != "ended":
            findings.add("lost", f"{who} is {attempt['state']}")
        if diary.starts > 1:
            findings.add("duplicated", f"the agent of {who} was started {diary.starts} times")
        allowed = self._allowed(asked, attempt)
        if allowed is not None and state not in allowed:
            hit = ", ".join(sorted(self._journal.hit[attempt["id"]])) or "nothing"
            findings.add("wrong", f"{who} was to be {sorted(allowed)}; killed: {hit}: {attempt['summary']}")
        if state in ("completed", "completed_with_warnings") and not diary.ended:
            findings.add("wrong", f"{who} passed, and its agent never came to its end")
        self._work(who, attempt, diary, room=allowed is not None)

    def _allowed(self, asked: Asked, attempt: Mapping[str, Any]) -> set[str] | None:
        """The states that this attempt may have come to; None when a disk was full meanwhile."""
        began, ended = (
            self._journal.machine_time(_seconds(attempt[key])) for key in ("created_at", "updated_at")
        )
        if self._journal.without_disk(began, ended):
            return None
        allowed = set(asked.task.expected)
        for what, times in self._journal.hit.get(attempt["id"], Counter()).items():
            if times >= _TIMES.get(what, 1):
                allowed |= _AFTER[what]
        if asked.cancelled:
            allowed.add("cancelled")
        if asked.base in self._without:
            allowed.add("failed_terminal")
        return allowed

    def _work(self, who: str, attempt: Mapping[str, Any], diary: diaries.Diary, *, room: bool) -> None:
        """Each token is in the snapshot or, where the disk had no room for one, in the workspace."""
        findings, ref = self.findings, self._refs.get(attempt["id"])
        findings.tokens += len(diary.tokens)
        snapshot = attempt["snapshot"]
        if snapshot is not None and snapshot["commit"] != ref:
            findings.add("work lost", f"{who}: its snapshot is {snapshot['commit']}, and its ref {ref}")
        contents = self._contents(ref, {path for path, _ in diary.tokens})
        kept = self._scene.workspaces / attempt["id"]
        for path, token in diary.tokens:
            here = kept / path
            still = not room and here.is_file() and token in here.read_text(errors="replace").split()
            if token not in contents.get(path, []) and not still:
                findings.add("work lost", f"{who}: {token} is not in {path} of its snapshot {ref}")
        for commit in diary.commits:
            if ref is not None and not self._within(commit, ref):
                findings.add("work lost", f"{who}: its commit {commit} is not below its snapshot {ref}")

    def _contents(self, commit: str | None, paths: set[str]) -> dict[str, list[str]]:
        if commit is None or not paths:
            return {}
        ordered = sorted(paths)
        asked = "".join(f"{commit}:{path}\n" for path in ordered)
        words = ["git", "cat-file", "--batch"]
        done = subprocess.run(
            words,
            cwd=self._scene.top,
            env=self._scene.env,
            input=asked.encode(),
            capture_output=True,
            check=True,
        )
        found, rest = {}, done.stdout
        for path in ordered:
            head, _, rest = rest.partition(b"\n")
            if head.endswith(b"missing"):
                continue
            size = int(head.split()[2])
            found[path], rest = rest[:size].decode(errors="replace").split(), rest[size + 1 :]
        return found

    def _within(self, commit: str, ref: str) -> bool:
        words = ["git", "merge-base", "--is-ancestor", commit, ref]
        done = subprocess.run(
            words, cwd=self._scene.top, env=self._scene.env, capture_output=True, check=False
        )
        return done.returncode == 0

    def _evidence(self, step: Mapping[str, Any]) -> None:
        """Every file of evidence is there, and is what its hash says."""
        for artifact in self._faces.get(f"steps/{step['id']}/artifacts"):
            path = self._scene.state / "artifacts" / artifact["path"]
            if not path.exists():
                self.findings.add("wrong", f"{step['id']} lacks its artifact {artifact['path']}")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != artifact["sha256"]:
                self.findings.add("wrong", f"{artifact['path']} of {step['id']} is not what was recorded")

    def events(self, seen: list[dict[str, Any]]) -> None:
        """What a listener was told is what the record says, and no settled step moved by itself."""
        record = list(_first(self._faces.events(0), len(seen)))
        for told, written in zip(seen, record, strict=True):
            if told != written:
                self.findings.add(
                    "lost", f"event {told['seq']} ({told['kind']}) is not what a listener was told"
                )
        settled: set[str] = set()
        for event in record:
            if event["kind"] == "step.retried":
                settled.discard(event["step_id"])
            elif event["kind"] == "step.settled" and event["step_id"] in settled:
                state = event["body"]["step_state"]
                if state != "cancelled":  # by the abort of a run with an open gate
                    self.findings.add("wrong", f"step {event['step_id']} settled twice")
            elif event["kind"] == "step.settled":
                settled.add(event["step_id"])

    def workspaces(self) -> None:
        """After a clean-up, each workspace that is left is kept for a reason that is said."""
        code, answer = self._scene.cli("gc")
        if code:
            self.findings.add("wrong", f"gc failed: {answer}")
            return
        for folder in self._scene.workspaces.iterdir():
            if not any(line.startswith("kept") and str(folder) in line for line in answer["lines"]):
                self.findings.add("wrong", f"{folder} is left, and nobody says why")


def _first(events: Iterator[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    for _ in range(count):
        yield next(events)


def _seconds(moment: int | str) -> float:
    """A moment of the record, in microseconds or as text, in seconds."""
    return moment / 1e6 if isinstance(moment, int) else datetime.fromisoformat(moment).timestamp()
