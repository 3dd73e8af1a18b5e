"""Builds the ResultSpec of a step from what the ledger holds: one function, one truth."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from codencer.engine.retrying import told
from codencer.ledger import ArtifactStore
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt, Ending, FileChange
from codencer.model.codec import decode
from codencer.model.policy import Verdict
from codencer.model.result import AgentResult, PolicyResult, ResultSpec
from codencer.model.step import Step, StepState
from codencer.model.validation import ValidationResult

MOST_SHOWN = 10
"""Paths that a warning names; the record of the attempt has more."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ASKS_A_PERSON = frozenset({StepState.NEEDS_APPROVAL, StepState.NEEDS_MANUAL_ATTENTION})


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the newest attempt brought, besides its own row; `before` are those policy tried again after,
    `open_questions` wait for a person now."""

    results: Sequence[ValidationResult] = ()
    open_questions: Sequence[str] = ()
    changes: Sequence[FileChange] = ()
    artifacts: Sequence[Artifact] = ()
    gate_id: str | None = None
    before: Sequence[Attempt] = ()


def read_changes(store: ArtifactStore, artifacts: Sequence[Artifact]) -> list[FileChange] | None:
    """The changed files of an attempt, from its evidence; None when no snapshot was taken."""
    for artifact in artifacts:
        if artifact.name == "changed_files.json":
            rows = json.loads(store.path(artifact).read_bytes())
            return [decode(FileChange, row) for row in rows]
    return None


def timestamp(microseconds: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def build_result(step: Step, attempt: Attempt | None, findings: Findings) -> ResultSpec:
    """The result as it stands now; before the first attempt most of it is empty."""
    common = {
        "run_id": step.run_id,
        "phase_id": step.task.phase_id,
        "step_id": step.id,
        "step_name": step.name,
        "state": step.state,
        "revision": step.revision,
        "requested_adapter": step.adapter,
        "summary": step.summary,
        "base_commit": step.base.commit,
        "retryable": step.retryable,
        "is_simulation": step.simulated,
        "created_at": timestamp(step.created_at),
        "updated_at": timestamp(step.updated_at),
    }
    if attempt is None:
        return ResultSpec(**common)  # type: ignore[arg-type]  # the keys are ResultSpec's own
    outcome, snapshot = attempt.outcome, attempt.snapshot
    asks = step.state in _ASKS_A_PERSON or (outcome is not None and outcome.needs_human_decision)
    asks = asks or bool(findings.open_questions)
    paths = {artifact.name: artifact.path for artifact in findings.artifacts}
    return ResultSpec(
        **common,  # type: ignore[arg-type]  # the keys are ResultSpec's own
        attempt_id=attempt.id,
        attempt_number=attempt.number,
        adapter=attempt.adapter,
        adapter_version=attempt.adapter_version,
        model=outcome.model if outcome else None,
        trust_level=attempt.trust_level,
        snapshot_commit=snapshot.commit if snapshot else None,
        snapshot_tree=snapshot.tree if snapshot else None,
        validated_tree=snapshot.validated_tree if snapshot else None,
        files_changed=tuple(findings.changes),
        validations=tuple(findings.results),
        policy=_policy(attempt.verdict),
        gate_id=findings.gate_id,
        needs_human_decision=asks,
        warnings=(*map(told, findings.before), *_warnings(attempt)),
        questions=outcome.questions if outcome else tuple(findings.open_questions),
        provisioning=attempt.provisioning,
        artifacts=paths,
        raw_output_ref=paths.get("stdout.log") or paths.get("conversation.log"),
        agent=_agent(attempt),
        timings=attempt.timings,
    )


def _policy(verdict: Verdict | None) -> PolicyResult | None:
    if verdict is None:
        return None
    return PolicyResult(
        name=verdict.policy, digest=verdict.digest, decision=verdict.decision, reasons=verdict.reasons
    )


def _warnings(attempt: Attempt) -> tuple[str, ...]:
    """What was known against the agent, its own warnings, then what the bridge saw."""
    seen = list(attempt.outcome.warnings) if attempt.outcome else []
    if _claims_without_work(attempt):
        seen.append("the agent ended as if it were done, and changed no file")
    if attempt.scope.paths:
        seen.append(f"changed out of its scope while the agent was at work: {_few(attempt.scope.paths)}")
    if attempt.scope.problem:
        seen.append(f"the watch over its scope did not see everything: {attempt.scope.problem}")
    if attempt.halt:
        by_itself = attempt.outcome is not None and attempt.outcome.ending is not Ending.HALTED
        how = "had ended when the bridge was about to stop it" if by_itself else "was stopped by the bridge"
        seen.append(f"the agent {how}: {attempt.halt.reason}")
    if attempt.snapshot:
        seen += [f"not in the snapshot: {problem}" for problem in attempt.snapshot.problems]
    seen += [
        f"rested because of its {each.cause}, until {timestamp(each.wait.until)}" for each in attempt.pauses
    ]
    ended = [each.exit for each in attempt.pauses if each.launch != attempt.launch]
    seen += [f"left running, killed: {note.name} ({note.pid})" for record in ended for note in record.killed]
    if attempt.exit:
        seen += [f"left running, killed: {each.name} ({each.pid})" for each in attempt.exit.killed]
        seen += [f"could not be killed: {each.name} ({each.pid})" for each in attempt.exit.survivors]
    return tuple(seen)


def _few(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - MOST_SHOWN} more" if len(paths) > MOST_SHOWN else ""
    return f"{', '.join(paths[:MOST_SHOWN])}{more}"


def _claims_without_work(attempt: Attempt) -> bool:
    """Whether all that is left of a success is the agent's word."""
    outcome, snapshot = attempt.outcome, attempt.snapshot
    succeeded = outcome is not None and outcome.ending is Ending.SUCCEEDED
    return succeeded and snapshot is not None and snapshot.complete and snapshot.files_changed == 0


def _agent(attempt: Attempt) -> AgentResult:
    outcome, record = attempt.outcome, attempt.exit
    if outcome is None:
        return AgentResult()
    cost = outcome.cost_microusd
    return AgentResult(
        # Before it was launched there was nobody to say anything: the words are the bridge's own.
        summary=outcome.summary if attempt.launch is not None else "",
        session_id=outcome.session_id,
        exit_code=record.code if record else None,
        signal=record.signal if record else None,
        error_kind=outcome.error_kind,
        input_tokens=outcome.input_tokens,
        output_tokens=outcome.output_tokens,
        cost_usd=None if cost is None else f"{cost // 1_000_000}.{cost % 1_000_000:06d}",
    )
