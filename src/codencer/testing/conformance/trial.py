"""One case under way: what it asks of Codencer, and what it found wrong.

Nothing is raised for a finding: all of them together tell more than the first one.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from codencer.testing.conformance import processes
from codencer.testing.conformance.goals import WORDS, goal
from codencer.testing.conformance.place import Done, Place
from codencer.testing.conformance.profile import Expectation, Fact, Profile, Speaks
from codencer.testing.model_server import ModelServer, Script
from codencer.testing.model_server.scenarios import CONTENT, FILE

WORK_SECONDS = 240
"""The time limit of a step that is to do its work, on a machine with many agents."""
MORE_SECONDS = 90
"""What a wait for a step may take beyond its time limit: queue, checkout, validations."""
GONE_SECONDS = 10
LOOK_SECONDS = 0.5
"""Between two looks at what no event of the command line tells."""
SHOWN = 300
RUN = "conformance"
HAS_IT = {"name": "has-it", "command": f"grep -qx {CONTENT} {FILE}"}
"""A validation that passes once the usual file is there."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What all cases of a profile share. `limit_seconds` is the time limit of a step that never ends by
    itself: long enough for this agent to get to its work on this machine."""

    profile: Profile
    place: Place
    server: ModelServer
    limit_seconds: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A settled step: its result, and its evidence as the command line shows it."""

    place: Place
    result: Mapping[str, Any]

    @property
    def step_id(self) -> str:
        return str(self.result["step_id"])

    @property
    def attempt_id(self) -> str:
        return str(self.result["attempt_id"])

    @property
    def state(self) -> str:
        return str(self.result["state"])

    @property
    def agent(self) -> Mapping[str, Any]:
        agent: Mapping[str, Any] = self.result["agent"]
        return agent

    @property
    def files(self) -> dict[str, str]:
        return {each["path"]: each["status"] for each in self.result["files_changed"]}

    @cached_property
    def diff(self) -> str:
        return str(self.place.cli("step", "diff", self.step_id).document["diff"])

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The transcript."""
        artifacts = self.place.cli("step", "artifacts", self.step_id).document
        root = Path(self.place.cli("instance").document["state_dir"]) / "artifacts"
        [path] = (each["path"] for each in artifacts if each["name"] == "transcript.jsonl")
        return [json.loads(line) for line in (root / path).read_text(encoding="utf-8").splitlines()]

    def kinds(self) -> set[str]:
        return {event["kind"] for event in self.events}

    def said(self) -> str:
        """What is known of how it went, in short, for whoever has to find out why."""
        logs = self.place.cli("step", "logs", self.step_id, "--stderr").document
        printed = self.place.cli("step", "logs", self.step_id).document
        ends = (
            f"{name}: …{_end(each)}" for name, each in (("stdout", printed), ("stderr", logs)) if _end(each)
        )
        summary = " ".join(str(self.result["summary"]).split())[:SHOWN]
        return "; ".join([f"{self.state} ({self.agent['error_kind']}): {summary}", *ends])


def _end(document: Mapping[str, Any]) -> str:
    return " ".join(str(document.get("text", "")).split())[-SHOWN:]


@dataclass(kw_only=True)
class Trial:
    """One try at one case; `name` is unique among all tries of the profile."""

    stage: Stage
    case: str
    name: str
    problems: list[str] = field(default_factory=list)

    @property
    def profile(self) -> Profile:
        return self.stage.profile

    @property
    def place(self) -> Place:
        return self.stage.place

    @property
    def server(self) -> ModelServer:
        return self.stage.server

    @property
    def own(self) -> Expectation | None:
        """What this agent is known to do differently in this case."""
        return self.profile.expect.get(self.case)

    def check(self, good: bool, problem: str) -> bool:
        if not good:
            self.problems.append(problem)
        return good

    def script(self, scenario: str, **parameters: str) -> Script:
        return Script(name=scenario, parameters={"id": self.name, **parameters})

    def goal(self, script: Script, words: str = WORDS) -> str:
        return goal(self.profile, script, self.server.url, words)

    def submit(self, goal: str, *, wait: bool, cwd: Path | None = None, **keys: Any) -> Done:
        """Hand a task in: the step as it was recorded, or with `wait` the result when it has settled."""
        limit = keys.setdefault("timeout_seconds", WORK_SECONDS)
        task = {"goal": goal, "adapter_profile": self.profile.adapter, **keys}
        words = ("submit", RUN, "--task-json", "-", *(["--wait"] if wait else []))
        seconds = limit + MORE_SECONDS
        return self.place.cli(*words, stdin=json.dumps(task).encode(), seconds=seconds, cwd=cwd)

    def run(self, goal: str, *, cwd: Path | None = None, **keys: Any) -> Outcome:
        """Have a task done, and see that nothing of it is left running."""
        return self.outcome(self.submit(goal, wait=True, cwd=cwd, **keys).document)

    def settled(self, step_id: str, seconds: float = WORK_SECONDS) -> Outcome:
        """Wait for a step that was submitted before."""
        limit = seconds + MORE_SECONDS
        self.place.cli("step", "wait", step_id, "--timeout", str(limit), seconds=limit + MORE_SECONDS)
        return self.outcome(self.place.cli("step", "result", step_id).document)

    def until(self, step_id: str, wanted: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        """What `step state` shows once it is what is wanted, or when the wait for it is over."""
        deadline = time.monotonic() + WORK_SECONDS
        while True:
            state: Mapping[str, Any] = self.place.cli("step", "state", step_id).document
            if wanted(state) or time.monotonic() > deadline:
                return state
            time.sleep(LOOK_SECONDS)

    def outcome(self, document: Any) -> Outcome:
        if "error" in document:
            raise ValueError(f"the task was refused: {document['message']}")
        found = Outcome(place=self.place, result=document)
        if found.result["attempt_id"] is not None:
            left = processes.left_of(found.attempt_id, within=GONE_SECONDS)
            self.check(not left, f"left running: {', '.join(map(str, left))}")
        return found

    def expect(
        self,
        found: Outcome,
        state: str,
        *kinds: str,
        files: Mapping[str, str] | None = None,
    ) -> bool:
        """Compare state, kind of error (any of these, else none) and changed files with what is usual, or
        known of this agent."""
        own = self.own
        states = [str(each) for each in own.states] if own and own.states else [state]
        usual = kinds or ("none",)
        allowed = [str(each) for each in own.error_kinds] if own and own.error_kinds else usual
        good = self.check(found.state in states, f"the state is {found.state}, not {' or '.join(states)}")
        actual = str(found.agent["error_kind"])
        good &= self.check(actual in allowed, f"the kind of error is {actual}, not {' or '.join(allowed)}")
        wanted = dict(files or {})
        good &= self.check(found.files == wanted, f"changed files are {found.files}, not {wanted}")
        if not good:
            self.problems.append(found.said())
        return good

    def expect_asked_model(self) -> None:
        """Whatever the verdict, it is about a model or a permission only if the model was asked."""
        if self.profile.speaks is Speaks.MODEL:
            self.check(bool(self.server.journal.of(self.name)), "the model was never asked")

    def expect_facts(self, found: Outcome) -> None:
        """What the profile says that the agent tells, after work with success."""
        agent = found.agent
        facts = {
            Fact.VERSION: bool(found.result["adapter_version"]),
            Fact.SESSION: bool(agent["session_id"]),
            Fact.MODEL: bool(found.result["model"]),
            Fact.TOKENS: bool(agent["input_tokens"] and agent["output_tokens"]),
            Fact.COST: agent["cost_usd"] is not None,
        }
        for fact, told in facts.items():
            if self.profile.tells_of(fact):
                self.check(told, f"it did not tell its {fact}")
        kinds = found.kinds()
        self.check("message" in kinds, f"the transcript has no message: {sorted(kinds)}")
        if self.profile.tells_of(Fact.TOOLS):
            missing = {"tool_call", "tool_result"} - kinds
            self.check(not missing, f"the transcript has no {' and no '.join(sorted(missing))}")
