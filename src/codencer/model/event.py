"""The ledger's events: every durable fact, in order.

A body is a JSON object without floats. What each kind carries is written beside it; the
projections are made from exactly these fields, by the statement of the same name in the
ledger's SQL. `step_state` and `attempt_state` come from `lifecycle.advance`, nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

EVENT_VERSION = 1


class EventKind(StrEnum):
    DAEMON_STARTED = "daemon.started"
    """{version, pid, mode}"""
    RUN_CREATED = "run.created"
    """{labels: RunLabels}; the new run's state is `created`"""
    RUN_ADVANCED = "run.advanced"
    """{state, actor, reason}"""
    RUN_BUDGETED = "run.budgeted"
    """{budget: RunBudget, actor}; takes the place of the budget that the run had"""
    STEP_SUBMITTED = "step.submitted"
    """{name, title, task: TaskSpec, provenance: Provenance, frozen: FrozenSettings, base: Base,
    adapter, policy, idempotency_key, request_digest, turn}; the new step's state is `pending`; `turn`
    is what matters for its place in the queue"""
    BASE_PINNED = "base.pinned"
    """{base: Base}; for a base that had to wait for another step"""
    CANCEL_REQUESTED = "step.cancel_requested"
    """{actor, reason}"""
    STEP_RETRIED = "step.retried"
    """{actor, adapter, adapter_settings: AdapterSettings, feedback, step_state, turn}; the adapter and its
    settings are null when they stay as they were. Also adds one to the step's revision"""
    STEP_SETTLED = "step.settled"
    """{step_state, summary, retryable, reason}"""
    STEP_LANDING = "step.landing"
    """{actor, landing: Landing}; written before anything of the user's changes. What neither of the next
    two follows was cut off, and is carried out again"""
    STEP_RETRY_PLANNED = "step.retry_planned"
    """{step_state, summary, reason, next_try: NextTry, turn}; policy tries again instead of settling"""
    STEP_LANDED = "step.landed"
    """{actor, form, target, commit}"""
    STEP_LANDING_UNDONE = "step.landing_undone"
    """{actor, reason}; nothing of the user's has changed"""
    ATTEMPT_STARTED = "attempt.started"
    """{number, adapter, requested_adapter, feedback, step_state, tries, fallback, begins_at}; the attempt is
    `preparing`"""
    WORKSPACE_READY = "workspace.ready"
    """{workspace, provisioning: Provisioning}"""
    AGENT_LAUNCHING = "agent.launching"
    """{launch, adapter_version, trust_level}; written before the supervisor is started"""
    AGENT_STARTED = "agent.started"
    """{pid, attempt_state, step_state}"""
    QUESTION_ASKED = "question.asked"
    """{question_id, launch, key, text, tool, paths, options: [Option], expires_at, waits}; `waits`: for a
    person"""
    QUESTION_ANSWERED = "question.answered"
    """{question_id, option, actor, by: AnsweredBy}; written before the agent is told"""
    AGENT_PAUSED = "agent.paused"
    """{pause: Pause, turn}; the launch has ended, the attempt goes on with another one"""
    SCOPE_WATCHED = "scope.watched"
    """{report: ScopeReport}; takes the place of the one before"""
    AGENT_HALTED = "agent.halted"
    """{halt: Halt}; written before the bridge stops the agent"""
    AGENT_EXITED = "agent.exited"
    """{exit: ExitRecord | null, outcome: AgentOutcome, attempt_state, step_state}"""
    SNAPSHOT_TAKEN = "snapshot.taken"
    """{snapshot: Snapshot, attempt_state, step_state}"""
    ARTIFACTS_STORED = "artifacts.stored"
    """{artifacts: [Artifact]}"""
    VALIDATION_FINISHED = "validation.finished"
    """{ordinal, result: ValidationResult}; a later one of the same ordinal replaces it"""
    POLICY_DECIDED = "policy.decided"
    """{verdict: Verdict, facts: Facts}"""
    GATE_OPENED = "gate.opened"
    """{gate_id, snapshot_tree, validated_tree, reasons}"""
    GATE_CLOSED = "gate.closed"
    """{gate_id, state, actor, note}"""
    ATTEMPT_ENDED = "attempt.ended"
    """{attempt_state, ending, result_state, summary, timings}"""
    WORKSPACE_RELEASED = "workspace.released"
    """{}"""
    SNAPSHOT_EXPIRED = "snapshot.expired"
    """{refs, reason}; written before these refs of the attempt are deleted"""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One row of the chain; `at` is UTC microseconds, for people: order is `seq`."""

    seq: int
    v: int
    at: int
    run_id: str | None
    step_id: str | None
    attempt_id: str | None
    kind: EventKind
    body: Mapping[str, object]
    prev_hash: str
    hash: str
