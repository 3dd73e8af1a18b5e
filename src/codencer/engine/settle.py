"""Fifth stage: policy decides, and the step settles in one transaction.

What a client may see together is written together: verdict, gate, attempt and step.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from codencer.engine.collect import seal
from codencer.engine.knowing import JUDGED, Known, facts_of, known_of
from codencer.engine.policies import policy_of
from codencer.engine.resting import turn_of
from codencer.engine.result import Findings, build_result
from codencer.engine.retrying import plan, told
from codencer.engine.rooms import Entry, Trip, the_step
from codencer.engine.runs import cancel_step, hold_run
from codencer.evidence import manifest
from codencer.ledger import Transaction
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt, AttemptState, Ending
from codencer.model.codec import encode
from codencer.model.event import EventKind
from codencer.model.ids import IdKind, new_id
from codencer.model.lifecycle import advance, derive_state, is_retryable
from codencer.model.policy import Facts, Verdict
from codencer.model.step import SUCCESSFUL_STATES, StepState
from codencer.model.task import Severity
from codencer.model.validation import ValidationResult
from codencer.model.waiting import NextTry
from codencer.policy import evaluate


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """Everything that is decided about an attempt before any of it is written."""

    state: StepState
    ending: Ending
    summary: str
    facts: Facts
    verdict: Verdict | None
    gate_id: str | None
    next_try: NextTry | None


async def settle(trip: Trip, fault: str = "") -> None:
    """Bring the step to its state. `fault` is what kept the bridge from judging at all."""
    if trip.attempt.state is AttemptState.ENDED:
        return
    began = time.monotonic_ns()
    known = await trip.rooms.ledger.read(lambda queries: known_of(queries, trip.step, trip.attempt))
    changes, facts = await asyncio.to_thread(facts_of, trip.rooms, policy_of(trip.step), known)
    conclusion = _conclude(trip, facts, known, fault)
    trip.timings["settle"] = (time.monotonic_ns() - began) // 1_000_000
    findings = Findings(
        results=known.results,
        changes=changes or (),
        artifacts=known.artifacts,
        gate_id=conclusion.gate_id,
        before=known.before,
    )
    sealed = await asyncio.to_thread(_seal_result, trip, conclusion, findings)
    await trip.record(*_entries(trip, conclusion, sealed), also=_also(trip, conclusion))


def _conclude(trip: Trip, facts: Facts, known: Known, fault: str) -> Conclusion:
    step, attempt, outcome = trip.step, trip.attempt, trip.attempt.outcome
    ending = outcome.ending if outcome else Ending.UNPREPARED
    if fault:
        ending = Ending.UNPREPARED
    elif trip.cancelled:
        ending = Ending.CANCELLED
    policy = policy_of(step)
    verdict = evaluate(policy, facts) if ending in JUDGED else None
    state = derive_state(
        ending,
        verdict.decision if verdict else None,
        error_failed=bool(facts.failed_validations),
        warning_failed=bool(facts.failed_warnings),
    )
    summary = fault or _summary(attempt, ending, state, verdict, known.results)
    next_try = None
    if verdict and state is StepState.FAILED_RETRYABLE:
        now = time.time_ns() // 1000
        next_try = plan(step, attempt, policy, verdict, cause=summary, now=now)
    return Conclusion(
        state=state,
        ending=ending,
        summary=_with_the_first(summary, state, known.before),
        facts=facts,
        verdict=verdict,
        gate_id=new_id(IdKind.GATE) if state is StepState.NEEDS_APPROVAL else None,
        next_try=next_try,
    )


def _with_the_first(summary: str, state: StepState, before: Sequence[Attempt]) -> str:
    """A failure after several attempts also says what the first one met."""
    return f"{summary}; {told(before[0])}" if before and state not in SUCCESSFUL_STATES else summary


def _also(trip: Trip, conclusion: Conclusion) -> Callable[[Transaction], None] | None:
    """What concerns more than the attempt, and is written with it."""
    if conclusion.gate_id is not None:
        return partial(hold_run, run_id=trip.step.run_id)
    return partial(_cancelled_meanwhile, step_id=trip.step.id) if conclusion.next_try else None


def _cancelled_meanwhile(tx: Transaction, step_id: str) -> None:
    """A cancel that came while the next attempt was being planned holds for it, too."""
    step = the_step(tx, step_id)
    if step.cancel_requested:
        cancel_step(tx, step, "bridge", "cancelled on request")


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
    if verdict is None or ending is not Ending.SUCCEEDED:
        return (attempt.outcome.error if attempt.outcome else "") or said
    if state in SUCCESSFUL_STATES:
        return said
    failed = [each for each in results if each.severity is Severity.ERROR and not each.passed]
    if failed and state in (StepState.FAILED_VALIDATION, StepState.FAILED_RETRYABLE):
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
        policy_digest=policy_of(step).digest,
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
    entries.append((EventKind.ATTEMPT_ENDED, ended))
    settled = {
        "step_state": advance(trip.step.state, conclusion.state),
        "summary": conclusion.summary,
        "reason": conclusion.ending,
    }
    if conclusion.next_try is not None:
        again = {"next_try": conclusion.next_try, "turn": turn_of(trip.step, conclusion.next_try)}
        return [*entries, (EventKind.STEP_RETRY_PLANNED, settled | again)]
    retryable = is_retryable(conclusion.ending, conclusion.state)
    return [*entries, (EventKind.STEP_SETTLED, {**settled, "retryable": retryable})]
