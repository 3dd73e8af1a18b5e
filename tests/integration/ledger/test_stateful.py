"""A property: whatever is written, refused or breaks off, the ledger is what a plain dict says."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from codencer.errors import CodencerError
from codencer.ledger import Ledger, Queries, Transaction, verify
from codencer.model.attempt import AttemptState, Halt, HaltCause, ScopeReport
from codencer.model.budget import BudgetAction, RunBudget
from codencer.model.event import EventKind
from codencer.model.ids import IdKind, new_id
from codencer.model.run import RunLabels
from codencer.model.step import AdapterSettings, Base, FrozenSettings, StepState
from codencer.model.task import Provenance, SourceKind, TaskSpec

Change = tuple[EventKind, dict[str, object], dict[str, str]]
Write = Callable[[Transaction], None]
Function = tuple[list[Change], int | None]
"""What a function appends, and after how many appends it breaks off."""
NAMES = st.sampled_from(["a", "A", "b", "c"])
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


Told = tuple[str, str, RunBudget | None]
"""State, reason and budget of a run."""


class Broke(Exception):
    """Raised by a function after some of its appends."""


class Model:
    """The record as plain dicts: what each event does, said a second time."""

    def __init__(self) -> None:
        self.events: list[EventKind] = []
        self.runs: dict[str, Told] = {}
        self.steps: dict[str, dict[str, object]] = {}
        self.attempts: dict[str, dict[str, object]] = {}

    def copy(self) -> "Model":
        other = Model()
        other.events, other.runs = list(self.events), dict(self.runs)
        other.steps = {key: dict(value) for key, value in self.steps.items()}
        other.attempts = {key: dict(value) for key, value in self.attempts.items()}
        return other

    def apply(self, change: Change) -> bool:
        """Return False, with nothing changed, where the ledger must refuse."""
        kind, body, ids = change
        if kind in (EventKind.RUN_CREATED, EventKind.RUN_ADVANCED, EventKind.RUN_BUDGETED):
            known = self._run(kind, body, ids["run_id"])
        elif kind is EventKind.STEP_SUBMITTED:
            known = self._submit(body, ids["run_id"], ids["step_id"])
        elif kind is EventKind.ATTEMPT_ENDED:
            known = ids["attempt_id"] in self.attempts
            if known:
                self.attempts[ids["attempt_id"]]["state"] = "ended"
        elif kind in (EventKind.AGENT_HALTED, EventKind.SCOPE_WATCHED):
            known = ids["attempt_id"] in self.attempts
            if known:
                key = "halt" if kind is EventKind.AGENT_HALTED else "scope"
                self.attempts[ids["attempt_id"]][key] = next(iter(body.values()))
        else:
            known = ids["step_id"] in self.steps
            if known:
                self._step(kind, body, ids)
        if known:
            self.events.append(kind)
        return known

    def _run(self, kind: EventKind, body: dict[str, object], run_id: str) -> bool:
        if kind is EventKind.RUN_CREATED:
            allowed = run_id.lower() not in {each.lower() for each in self.runs}
        else:
            allowed = run_id in self.runs
        if allowed:
            state, reason, budget = self.runs.get(run_id, ("created", "", None))
            given = body.get("budget")
            self.runs[run_id] = (
                str(body.get("state", state)),
                str(body.get("reason", reason)),
                given if isinstance(given, RunBudget) else budget,
            )
        return allowed

    def _step(self, kind: EventKind, body: dict[str, object], ids: dict[str, str]) -> None:
        step = self.steps[ids["step_id"]]
        if kind is EventKind.ATTEMPT_STARTED:
            step.update(state="dispatching", attempts=body["number"], latest=ids["attempt_id"])
            self.attempts[ids["attempt_id"]] = {
                "step": ids["step_id"],
                "state": "preparing",
                "halt": None,
                "scope": ScopeReport(),
            }
        elif kind is EventKind.STEP_RETRIED:
            step.update(state="pending", revision=int(str(step["revision"])) + 1, summary="")
            step["feedback"] = body["feedback"]
        else:
            step.update(state=str(body["step_state"]), summary=body["summary"])

    def _submit(self, body: dict[str, object], run_id: str, step_id: str) -> bool:
        mine = [step for step in self.steps.values() if step["run"] == run_id]
        if run_id not in self.runs or str(body["name"]).lower() in {
            str(each["name"]).lower() for each in mine
        }:
            return False
        self.steps[step_id] = {
            "run": run_id,
            "name": body["name"],
            "title": body["title"],
            "state": "pending",
            "position": len(mine) + 1,
            "revision": 0,
            "attempts": 0,
            "latest": None,
            "summary": "",
            "feedback": None,
        }
        return True


def submitted(run_id: str, step_id: str, name: str, title: str) -> Change:
    body: dict[str, object] = {
        "name": name,
        "title": title,
        "task": TaskSpec(goal=title or "x"),
        "provenance": Provenance(
            source_kind=SourceKind.GOAL, source_name="", original_format="text", original_input=title
        ),
        "frozen": FrozenSettings(checkout="/", adapter=AdapterSettings(name="sim")),
        "base": Base(ref="HEAD"),
        "adapter": "sim",
        "policy": "basic",
        "idempotency_key": None,
        "request_digest": None,
    }
    return EventKind.STEP_SUBMITTED, body, {"run_id": run_id, "step_id": step_id}


class LedgerMachine(RuleBasedStateMachine):
    changes: Bundle[Change] = Bundle("changes")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.Runner()
        self.path = Path(self.folder.name) / "codencer.db"
        self.ledger = Ledger.open(self.path)
        self.model = Model()

    @initialize()
    def begin(self) -> None:
        self.write_together([([(EventKind.RUN_CREATED, {"labels": RunLabels()}, {"run_id": "a"})], None)])

    @rule(target=changes, run_id=NAMES)
    def plan_run(self, run_id: str) -> Change:
        return EventKind.RUN_CREATED, {"labels": RunLabels(planner=run_id)}, {"run_id": run_id}

    @rule(target=changes, run_id=NAMES, state=st.sampled_from(["running", "paused"]), reason=TEXT)
    def plan_advance(self, run_id: str, state: str, reason: str) -> Change:
        return EventKind.RUN_ADVANCED, {"state": state, "actor": "x", "reason": reason}, {"run_id": run_id}

    @rule(target=changes, run_id=NAMES, tokens=st.none() | st.integers(0, 2**53))
    def plan_budget(self, run_id: str, tokens: int | None) -> Change:
        body = {"budget": RunBudget(tokens=tokens, action=BudgetAction.FAIL), "actor": "x"}
        return EventKind.RUN_BUDGETED, body, {"run_id": run_id}

    @rule(target=changes, run_id=NAMES, name=NAMES, title=TEXT)
    def plan_submit(self, run_id: str, name: str, title: str) -> Change:
        return submitted(run_id, new_id(IdKind.STEP), name, title)

    @rule(target=changes, data=st.data(), text=TEXT, state=st.sampled_from(sorted(StepState)))
    def plan_step(self, data: st.DataObject, text: str, state: StepState) -> MultipleResults[Change]:
        step_id = data.draw(st.sampled_from([*self.model.steps, "step_unknown"]))
        number = int(str(self.model.steps.get(step_id, {}).get("attempts", 0))) + 1
        attempt_id = new_id(IdKind.ATTEMPT)
        started: Change = (
            EventKind.ATTEMPT_STARTED,
            {
                "number": number,
                "adapter": "sim",
                "requested_adapter": "sim",
                "feedback": None,
                "step_state": "dispatching",
            },
            {"step_id": step_id, "attempt_id": attempt_id},
        )
        ended: Change = (
            EventKind.ATTEMPT_ENDED,
            {
                "attempt_state": AttemptState.ENDED,
                "ending": "succeeded",
                "result_state": state,
                "summary": text,
                "timings": {},
            },
            {"attempt_id": attempt_id},
        )
        settled: Change = (
            EventKind.STEP_SETTLED,
            {"step_state": state, "summary": text, "retryable": False, "reason": ""},
            {"step_id": step_id},
        )
        retried: Change = (
            EventKind.STEP_RETRIED,
            {"actor": "x", "adapter": None, "feedback": text, "step_state": "pending"},
            {"step_id": step_id},
        )
        halt = Halt(cause=HaltCause.RUN_BUDGET, reason=text)
        halted: Change = (EventKind.AGENT_HALTED, {"halt": halt}, {"attempt_id": attempt_id})
        report = ScopeReport(paths=(text,), problem=text)
        watched: Change = (EventKind.SCOPE_WATCHED, {"report": report}, {"attempt_id": attempt_id})
        return multiple(*data.draw(st.permutations([started, ended, settled, retried, halted, watched])))

    @rule(
        functions=st.lists(
            st.tuples(st.lists(consumes(changes), min_size=1, max_size=4), st.none() | st.integers(0, 4)),
            min_size=1,
            max_size=4,
        )
    )
    def write_together(self, functions: list[Function]) -> None:
        """Several functions at once, in order, so that they may share a commit."""

        async def together() -> list[object]:
            writes = [self.ledger.write(self.function(*each)) for each in functions]
            return list(await asyncio.gather(*writes, return_exceptions=True))

        for (wanted, broken), answer in zip(functions, self.loop.run(together()), strict=True):
            self.expect(wanted, broken, answer)

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.open(self.path)

    @staticmethod
    def function(changes: list[Change], broken: int | None) -> Write:
        def run(tx: Transaction) -> None:
            for number, (kind, body, ids) in enumerate(changes):
                if number == broken:
                    raise Broke
                tx.append(kind, body, **ids)

        return run

    def expect(self, changes: list[Change], broken: int | None, answer: object) -> None:
        after = self.model.copy()
        for number, change in enumerate(changes):
            if number == broken:
                assert isinstance(answer, Broke)
                return
            if not after.apply(change):
                assert isinstance(answer, CodencerError), (change, answer)
                return
        assert answer is None, answer
        self.model = after

    @invariant()
    def the_record_is_the_model(self) -> None:
        runs, steps, attempts, head = self.loop.run(self.ledger.read(_everything))
        assert runs == self.model.runs
        assert steps == self.model.steps
        assert attempts == self.model.attempts
        assert head == len(self.model.events)

    def teardown(self) -> None:
        report = verify(self.path)
        self.ledger.close()
        self.loop.close()
        self.folder.cleanup()
        assert report.ok, report
        assert report.events == len(self.model.events)


def _everything(
    q: Queries,
) -> tuple[dict[str, Told], dict[str, dict[str, object]], dict[str, dict[str, object]], int]:
    runs: dict[str, Told] = {run.id: (run.state.value, run.reason, run.budget) for run in q.runs()}
    steps: dict[str, dict[str, object]] = {}
    attempts: dict[str, dict[str, object]] = {}
    for step in (step for run_id in runs for step in q.steps(run_id)):
        steps[step.id] = {
            "run": step.run_id,
            "name": step.name,
            "title": step.title,
            "state": step.state.value,
            "position": step.position,
            "revision": step.revision,
            "attempts": step.attempts,
            "latest": step.latest_attempt_id,
            "summary": step.summary,
            "feedback": step.feedback,
        }
        for attempt in q.attempts(step.id):
            attempts[attempt.id] = {
                "step": attempt.step_id,
                "state": attempt.state.value,
                "halt": attempt.halt,
                "scope": attempt.scope,
            }
    return runs, steps, attempts, q.head()[0]


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
