"""Fifth stage: policy decides, and the step settles in one transaction.

What a client may see together is written together: verdict, gate, attempt and step.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from codencer.engine.collect import seal
from codencer.engine.facts import gather
from codencer.engine.result import Findings, build_result, read_changes
from codencer.engine.rooms import Entry, Trip
from codencer.engine.runs import hold_run
from codencer.engine.validate import not_run
from codencer.evidence import manifest
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt, AttemptState, Ending
from codencer.model.codec import encode
from codencer.model.event import EventKind
from codencer.model.ids import IdKind, new_id
from codencer.model.lifecycle import advance, derive_state, is_retryable
from codencer.model.policy import Decision, Facts, Verdict
from codencer.model.step import SUCCESSFUL_STATES, StepState
from codencer.model.task import Severity
from codencer.model.validation import ValidationResult
from codencer.policy import evaluate
from codencer.policy import load as load_policy


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """Everything that is decided about an attempt before any of it is written."""

    state: StepState
    ending: Ending
    summary: str
    facts: Facts
    verdict: Verdict | None
    gate_id: str | None


async def settle(trip: Trip, fault: str = "") -> None:
    """Bring the step to its state. `fault` is what kept the bridge from judging at all."""
    if trip.attempt.state is AttemptState.ENDED:
        return
    began = time.monotonic_ns()
    artifacts = await trip.rooms.ledger.read(lambda queries: queries.artifacts(trip.attempt.id))
    results = await _results(trip)
    changes = await asyncio.to_thread(read_changes, trip.rooms.artifacts, artifacts)
    facts = gather(trip.step, trip.attempt, changes, results, artifacts)
    conclusion = _conclude(trip, facts, results, fault)
    trip.timings["settle"] = (time.monotonic_ns() - began) // 1_000_000
    findings = Findings(
        results=results, changes=changes or (), artifacts=artifacts, gate_id=conclusion.gate_id
    )
    sealed = await asyncio.to_thread(_seal_result, trip, conclusion, findings)
    gated = conclusion.gate_id is not None
    await trip.record(
        *_entries(trip, conclusion, sealed),
        also=partial(hold_run, run_id=trip.step.run_id) if gated else None,
    )


async def _results(trip: Trip) -> list[ValidationResult]:
    done = await trip.rooms.ledger.read(lambda queries: queries.validations(trip.attempt.id))
    return done + [not_run(spec) for spec in trip.step.task.validations[len(done) :]]


def _conclude(
    trip: Trip,
    facts: Facts,
    results: Sequence[ValidationResult],
    fault: str,
) -> Conclusion:
    outcome = trip.attempt.outcome
    ending = outcome.ending if outcome else Ending.UNPREPARED
    if fault:
        ending = Ending.UNPREPARED
    elif trip.cancelled:
        ending = Ending.CANCELLED
    verdict = None
    if ending is Ending.SUCCEEDED:
        verdict = evaluate(load_policy(trip.step.policy), facts)
    state = derive_state(
        ending,
        verdict.decision if verdict else None,
        error_failed=bool(facts.failed_validations),
        warning_failed=bool(facts.failed_warnings),
    )
    return Conclusion(
        state=state,
        ending=ending,
        summary=fault or _summary(trip.attempt, ending, state, verdict, results),
        facts=facts,
        verdict=verdict,
        gate_id=new_id(IdKind.GATE) if verdict and verdict.decision is Decision.GATE else None,
    )


def _summary(
    attempt: Attempt,
    ending: Ending,
    state: StepState,
    verdict: Verdict | None,
    results: Sequence[ValidationResult],
) -> str:
    """One line for people: why the step is where it is; the agent's own words only on success."""
    said = attempt.outcome.summary if attempt.outcome else ""
    if ending is Ending.CANCELLED:
        return "cancelled; what the agent had done is in the snapshot" if attempt.snapshot else "cancelled"
    if verdict is None:
        return (attempt.outcome.error if attempt.outcome else "") or said
    if state in SUCCESSFUL_STATES:
        return said
    if state is StepState.FAILED_VALIDATION:
        failed = [each for each in results if each.severity is Severity.ERROR and not each.passed]
        return "; ".join(_failure(each) for each in failed)
    return "; ".join(verdict.reasons)


def _failure(result: ValidationResult) -> str:
    return f"validation {result.name} {result.state}: {result.error or f'exit code {result.exit_code}'}"


def _seal_result(trip: Trip, conclusion: Conclusion, findings: Findings) -> list[Artifact]:
    """Seal the result and then the manifest, which lists every artifact but itself."""
    step = replace(
        trip.step,
        state=conclusion.state,
        summary=conclusion.summary,
        retryable=is_retryable(conclusion.ending, conclusion.state),
        updated_at=time.time_ns() // 1000,
    )
    attempt = replace(trip.attempt, verdict=conclusion.verdict, timings=trip.timings)
    result = json.dumps(encode(build_result(step, attempt, findings)), indent=2, sort_keys=True).encode()
    described = Artifact(
        id="",
        attempt_id=attempt.id,
        name="result.json",
        path="",
        size=len(result),
        sha256=hashlib.sha256(result).hexdigest(),
        media_type="application/json",
        created_at=0,
    )
    listing = manifest(
        attempt,
        [*findings.artifacts, described],
        base_commit=step.base.commit,
        policy=step.policy,
        policy_digest=load_policy(step.policy).digest,
    )
    return seal(
        trip,
        [("result.json", result, "application/json"), ("manifest.json", listing, "application/json")],
    )


def _entries(trip: Trip, conclusion: Conclusion, sealed: Sequence[Artifact]) -> list[Entry]:
    entries: list[Entry] = [(EventKind.ARTIFACTS_STORED, {"artifacts": sealed})]
    if conclusion.verdict is not None:
        entries.append((EventKind.POLICY_DECIDED, {"verdict": conclusion.verdict, "facts": conclusion.facts}))
    snapshot = trip.attempt.snapshot
    if conclusion.gate_id is not None and conclusion.verdict is not None and snapshot is not None:
        body = {
            "gate_id": conclusion.gate_id,
            "snapshot_tree": snapshot.tree,
            "validated_tree": snapshot.validated_tree,
            "reasons": conclusion.verdict.reasons,
        }
        entries.append((EventKind.GATE_OPENED, body))
    ended = {
        "ending": conclusion.ending,
        "result_state": conclusion.state,
        "summary": conclusion.summary,
        "timings": trip.timings,
        "attempt_state": advance(trip.attempt.state, AttemptState.ENDED),
    }
    settled = {
        "step_state": advance(trip.step.state, conclusion.state),
        "summary": conclusion.summary,
        "retryable": is_retryable(conclusion.ending, conclusion.state),
        "reason": conclusion.ending,
    }
    return [*entries, (EventKind.ATTEMPT_ENDED, ended), (EventKind.STEP_SETTLED, settled)]
