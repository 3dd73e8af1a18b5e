"""A ledger of its own for each test, and example bodies for every kind of event."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from codencer.ledger import Ledger, Transaction
from codencer.model.artifact import Artifact
from codencer.model.attempt import (
    AgentOutcome,
    AttemptState,
    Ending,
    ErrorKind,
    Halt,
    HookStatus,
    Pause,
    Provisioning,
    ScopeReport,
    Snapshot,
)
from codencer.model.budget import BudgetAction, RunBudget
from codencer.model.dialogue import Option, OptionKind
from codencer.model.ending import HaltCause
from codencer.model.event import EventKind
from codencer.model.gate import GateState
from codencer.model.ids import IdKind, new_id
from codencer.model.landing import LandForm, Landing
from codencer.model.launch import ExitReason, ExitRecord, ProcessNote
from codencer.model.policy import Decision, Facts, Verdict
from codencer.model.question import AnsweredBy
from codencer.model.run import RunLabels, RunState
from codencer.model.step import AdapterSettings, Base, FrozenSettings, StepState
from codencer.model.task import Provenance, SourceKind, TaskContext, TaskSpec, ValidationSpec
from codencer.model.validation import TestCounts, ValidationResult, ValidationState
from codencer.model.waiting import NextTry, Wait

Body = dict[str, object]
Example = Callable[..., Body]

_TASK = TaskSpec(
    goal="Mend the parser — ünïcode, 😀 and \0 too",
    context=TaskContext(summary="It fails"),
    validations=(
        ValidationSpec(name="tests", command="pytest -q", env={"A": "b"}),
        ValidationSpec(name="lint", command=("ruff", "check")),
    ),
)
_PROVENANCE = Provenance(
    source_kind=SourceKind.GOAL, source_name="-", original_format="text", original_input="Mend the parser"
)
_FROZEN = FrozenSettings(
    checkout="/somewhere",
    adapter=AdapterSettings(name="fixer", command=("fix",)),
    git_settings=(("core.eol", "lf"),),
)
_SNAPSHOT = Snapshot(commit="c" * 40, tree="d" * 40, validated_tree="e" * 40, complete=True)
_EXIT = ExitRecord(reason=ExitReason.EXITED, code=0, killed=(ProcessNote(pid=4, name="sleep"),))
_FACTS = Facts(
    snapshot_complete=True,
    changed_files=2,
    forbidden_paths_touched=(),
    paths_outside_scope=None,
    protected_paths_changed=("tests/a.py",),
    failed_validations=(),
    failed_warnings=(),
    survivors=(),
)
_LANDING = Landing(
    form=LandForm.BRANCH,
    target="fix",
    checkout="/somewhere",
    git_dir=".",
    mark="0a1b",
    base="b" * 40,
    tree="d" * 40,
    files=1,
    ref="refs/heads/fix",
    commit="f" * 40,
)
_NEXT_TRY = NextTry(
    wait=Wait(until=1_800_000_000_000_000, microseconds=2_000_000),
    tries=2,
    most=3,
    fallback=1,
    cause="it crashed",
    feedback="Attempt 1 did not do",
    begins_at="c" * 40,
)
_PAUSE = Pause(
    launch="l1",
    cause=ErrorKind.QUOTA,
    wait=Wait(until=1_800_000_000_000_000, microseconds=5_000_000),
    session_id="s-1",
    exit=ExitRecord(reason=ExitReason.EXITED, code=75),
    cost_microusd=12,
)
_VALIDATION = ValidationResult(
    name="tests",
    command="pytest -q",
    state=ValidationState.PASSED,
    passed=True,
    exit_code=0,
    tests=TestCounts(passed=3),
)

_EXAMPLES: Mapping[EventKind, Mapping[str, object]] = {
    EventKind.DAEMON_STARTED: {"version": "0.1.0", "pid": 17, "mode": "real"},
    EventKind.RUN_CREATED: {"labels": RunLabels(project_id="shop", planner="ann")},
    EventKind.RUN_ADVANCED: {"state": RunState.RUNNING, "actor": "ann", "reason": ""},
    EventKind.RUN_BUDGETED: {"budget": RunBudget(tokens=5, action=BudgetAction.FAIL), "actor": "ann"},
    EventKind.STEP_SUBMITTED: {
        "name": "parser",
        "title": "Mend it",
        "task": _TASK,
        "provenance": _PROVENANCE,
        "frozen": _FROZEN,
        "base": Base(ref="HEAD", commit="b" * 40),
        "adapter": "fixer",
        "policy": "basic",
        "idempotency_key": None,
        "request_digest": "d1",
    },
    EventKind.BASE_PINNED: {"base": Base(ref="step:x", commit="a" * 40, step_id="x", attempt_number=2)},
    EventKind.CANCEL_REQUESTED: {"actor": "ann", "reason": "no longer wanted"},
    EventKind.STEP_RETRIED: {
        "actor": "ann",
        "adapter": "other",
        "adapter_settings": AdapterSettings(name="other", command=("other", "-y")),
        "feedback": "try harder",
        "step_state": StepState.PENDING,
    },
    EventKind.STEP_SETTLED: {
        "step_state": StepState.FAILED_VALIDATION,
        "summary": "tests failed",
        "retryable": True,
        "reason": "tests",
    },
    EventKind.STEP_LANDING: {"actor": "ann", "landing": _LANDING},
    EventKind.STEP_LANDING_UNDONE: {"actor": "ann", "reason": "the branch was moved"},
    EventKind.STEP_RETRY_PLANNED: {
        "step_state": StepState.FAILED_RETRYABLE,
        "summary": "it crashed",
        "reason": "broken",
        "next_try": _NEXT_TRY,
        "turn": {"run_id": "one", "adapter": "other", "priority": 0, "behind": None},
    },
    EventKind.STEP_LANDED: {"actor": "ann", "form": "branch", "target": "fix", "commit": "f" * 40},
    EventKind.ATTEMPT_STARTED: {
        "number": 1,
        "adapter": "fixer",
        "requested_adapter": "fixer",
        "feedback": None,
        "step_state": StepState.DISPATCHING,
    },
    EventKind.WORKSPACE_READY: {
        "workspace": "/state/w",
        "provisioning": Provisioning(success=True, log=("copied .env",), hook_status=HookStatus.PASSED),
    },
    EventKind.AGENT_LAUNCHING: {"launch": "l1", "adapter_version": "2.0", "trust_level": "plain"},
    EventKind.AGENT_STARTED: {
        "pid": 4242,
        "attempt_state": AttemptState.RUNNING,
        "step_state": StepState.RUNNING,
    },
    EventKind.QUESTION_ASKED: {
        "launch": "agent-1",
        "key": "answer-1",
        "text": "Write hello.txt",
        "tool": "edit",
        "paths": ["hello.txt"],
        "options": [Option(id="yes", name="Yes", kind=OptionKind.ALLOW_ONCE)],
        "expires_at": 1_800_000_000_000_000,
    },
    EventKind.QUESTION_ANSWERED: {"option": "yes", "actor": "ann", "by": AnsweredBy.PERSON},
    EventKind.AGENT_PAUSED: {
        "pause": _PAUSE,
        "turn": {"run_id": "one", "adapter": "fixer", "priority": 0, "behind": None},
    },
    EventKind.SCOPE_WATCHED: {"report": ScopeReport(paths=("docs/a.md",), problem="too many folders")},
    EventKind.AGENT_HALTED: {"halt": Halt(cause=HaltCause.STEP_BUDGET, reason="6 tokens of 5")},
    EventKind.AGENT_EXITED: {
        "exit": _EXIT,
        "outcome": AgentOutcome(ending=Ending.SUCCEEDED, summary="done", questions=("why?",)),
        "attempt_state": AttemptState.COLLECTING,
        "step_state": StepState.COLLECTING_ARTIFACTS,
    },
    EventKind.SNAPSHOT_TAKEN: {
        "snapshot": _SNAPSHOT,
        "attempt_state": AttemptState.VALIDATING,
        "step_state": StepState.VALIDATING,
    },
    EventKind.ARTIFACTS_STORED: {"artifacts": []},
    EventKind.VALIDATION_FINISHED: {"ordinal": 0, "result": _VALIDATION},
    EventKind.POLICY_DECIDED: {
        "verdict": Verdict(decision=Decision.CONTINUE, policy="basic", digest="p", reasons=("all passed",)),
        "facts": _FACTS,
    },
    EventKind.GATE_OPENED: {"snapshot_tree": "d" * 40, "validated_tree": "e" * 40, "reasons": ["no tests"]},
    EventKind.GATE_CLOSED: {"state": GateState.APPROVED, "actor": "ann", "note": "fine"},
    EventKind.ATTEMPT_ENDED: {
        "attempt_state": AttemptState.ENDED,
        "ending": Ending.SUCCEEDED,
        "result_state": StepState.COMPLETED,
        "summary": "done",
        "timings": {"prepare": 12, "run": 900},
    },
    EventKind.WORKSPACE_RELEASED: {},
    EventKind.SNAPSHOT_EXPIRED: {"refs": ["refs/codencer/attempts/att_1"], "reason": "older than 30 days"},
}


def _example(kind: EventKind, **changes: object) -> Body:
    return {**_EXAMPLES[kind], **changes}


def _walk(tx: Transaction, run_id: str, name: str) -> tuple[str, str, str]:
    """Record every kind of event that one step can have; return ids of step, attempt and gate."""
    kinds = (IdKind.STEP, IdKind.ATTEMPT, IdKind.GATE, IdKind.QUESTION)
    step_id, attempt_id, gate_id, question_id = (new_id(kind) for kind in kinds)
    artifact = Artifact(
        id=new_id(IdKind.ARTIFACT),
        attempt_id=attempt_id,
        name="diff.patch",
        path=f"{run_id}/{step_id}/{attempt_id}/diff.patch",
        size=10,
        sha256="0" * 64,
        media_type="text/x-diff",
        created_at=1,
    )
    tx.append(
        EventKind.STEP_SUBMITTED,
        _example(EventKind.STEP_SUBMITTED, name=name, idempotency_key=f"key-{name}"),
        run_id=run_id,
        step_id=step_id,
    )
    tx.append(EventKind.BASE_PINNED, _example(EventKind.BASE_PINNED), step_id=step_id)
    tx.append(
        EventKind.ATTEMPT_STARTED,
        _example(EventKind.ATTEMPT_STARTED),
        step_id=step_id,
        attempt_id=attempt_id,
    )
    for kind, changes in (
        (EventKind.WORKSPACE_READY, {}),
        (EventKind.AGENT_LAUNCHING, {}),
        (EventKind.AGENT_STARTED, {}),
        (EventKind.QUESTION_ASKED, {"question_id": question_id}),
        (EventKind.QUESTION_ANSWERED, {"question_id": question_id}),
        (EventKind.AGENT_PAUSED, {}),
        (EventKind.SCOPE_WATCHED, {}),
        (EventKind.AGENT_HALTED, {}),
        (EventKind.AGENT_EXITED, {}),
        (EventKind.SNAPSHOT_TAKEN, {}),
        (EventKind.ARTIFACTS_STORED, {"artifacts": [artifact]}),
        (EventKind.VALIDATION_FINISHED, {}),
        (EventKind.POLICY_DECIDED, {}),
        (EventKind.GATE_OPENED, {"gate_id": gate_id}),
        (EventKind.GATE_CLOSED, {"gate_id": gate_id}),
        (EventKind.ATTEMPT_ENDED, {}),
        (EventKind.WORKSPACE_RELEASED, {}),
        (EventKind.SNAPSHOT_EXPIRED, {}),
    ):
        tx.append(kind, _example(kind, **changes), attempt_id=attempt_id)
    for kind in (
        EventKind.STEP_RETRY_PLANNED,
        EventKind.CANCEL_REQUESTED,
        EventKind.STEP_SETTLED,
        EventKind.STEP_LANDING,
        EventKind.STEP_LANDING_UNDONE,
        EventKind.STEP_LANDING,
        EventKind.STEP_LANDED,
        EventKind.STEP_RETRIED,
    ):
        tx.append(kind, _example(kind), step_id=step_id)
    return step_id, attempt_id, gate_id


@pytest.fixture
def example() -> Example:
    """`example(kind, **changes)`: a body as documented in `model.event`."""
    return _example


@pytest.fixture
def walk() -> Callable[[Transaction, str, str], tuple[str, str, str]]:
    """`walk(tx, run_id, name)`: the whole life of a step; ids of step, attempt and gate."""
    return _walk


@pytest.fixture
def start_run() -> Callable[[str], Callable[[Transaction], None]]:
    """`ledger.write(start_run("one"))` records a run."""

    def named(run_id: str) -> Callable[[Transaction], None]:
        def append(tx: Transaction) -> None:
            tx.append(EventKind.RUN_CREATED, _example(EventKind.RUN_CREATED), run_id=run_id)

        return append

    return named


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "state" / "codencer.db")
    yield opened
    opened.close()
