"""Questions about policies: is a file one, why was a step judged so, and how would another judge it.

Nothing here changes anything. Another policy gets the facts that were recorded; what only it asks about is
found in the evidence, or is unknown.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import PurePath

from codencer.engine.knowing import Known, facts_of, known_of
from codencer.engine.policies import FOLDER, policy_of
from codencer.engine.reading import find_step
from codencer.engine.rooms import Rooms, the_attempt
from codencer.errors import MalformedInput, NotFound
from codencer.ledger import Queries
from codencer.model.lifecycle import derive_state
from codencer.model.policy import Decision, Facts, Policy, Verdict
from codencer.model.step import StepState
from codencer.policy import Problem, check, evaluate, names, parse


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What is wrong with a policy file, by line; `name` and `digest` are null then."""

    valid: bool
    name: str | None
    digest: str | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why the newest attempt of a step was judged as it was: the facts, the keys that fired, the policy."""

    step_id: str
    attempt_id: str
    attempt_number: int
    state: StepState
    decision: Decision
    fired: tuple[str, ...]
    reasons: tuple[str, ...]
    facts: Facts
    policy: Policy


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How a policy would have judged the newest attempt of a step; `recorded_…` is how it was judged.

    `state` is what the step would have reached then, by this attempt alone.
    """

    step_id: str
    attempt_id: str
    attempt_number: int
    policy: str
    digest: str
    decision: Decision
    fired: tuple[str, ...]
    reasons: tuple[str, ...]
    state: StepState
    recorded_decision: Decision
    recorded_state: StepState
    facts: Facts


def check_policy(text: str, source: str) -> Checked:
    """Say everything that is wrong with a policy file.

    Raises:
        TooLarge: it is longer than any policy may be.
    """
    try:
        policy, problems = check(text, source)
    except MalformedInput as malformed:
        mark = getattr(malformed.__cause__, "problem_mark", None)
        policy, problems = None, [Problem(line=mark.line + 1 if mark else 1, problem=str(malformed))]
    if policy is not None:
        problems = _misnamed(policy, text, PurePath(source))
    if policy is None or problems:
        return Checked(valid=False, name=None, digest=None, problems=tuple(problems))
    return Checked(valid=True, name=policy.name, digest=policy.digest, problems=())


def _misnamed(policy: Policy, text: str, path: PurePath) -> list[Problem]:
    """In the folder of a team's policies a file is found by its name."""
    if path.parent.parts[-2:] != FOLDER.parts:
        return []
    named = (number for number, line in enumerate(text.splitlines(), 1) if line.startswith("name:"))
    line = next(named, 1)
    if path.stem in names():
        return [Problem(line=line, problem=f"a policy {path.stem} comes with Codencer: take another name")]
    if policy.name != path.stem:
        return [Problem(line=line, problem=f"the name has to be {path.stem}, as the file is called")]
    return []


async def explain(rooms: Rooms, address: str) -> Explanation:
    """Why the newest attempt was judged so.

    Raises:
        NotFound: policy has not been asked about it.
    """
    known, verdict, facts = await rooms.ledger.read(lambda queries: _judged(queries, address))
    return Explanation(
        step_id=known.step.id,
        attempt_id=known.attempt.id,
        attempt_number=known.attempt.number,
        state=known.attempt.result_state or known.step.state,
        decision=verdict.decision,
        fired=verdict.fired,
        reasons=verdict.reasons,
        facts=facts,
        policy=policy_of(known.step),
    )


async def try_policy(rooms: Rooms, address: str, text: str, source: str) -> Trial:
    """How the policy in `text` would have judged the newest attempt.

    Raises:
        NotFound: no policy has been asked about it.
        InvalidInput: the text is no policy.
    """
    policy = await asyncio.to_thread(parse, text, source)
    known, recorded, facts = await rooms.ledger.read(lambda queries: _judged(queries, address))
    facts = await asyncio.to_thread(_completed, rooms, policy, known, facts)
    verdict = evaluate(policy, facts)
    state = derive_state(
        facts.ending,
        verdict.decision,
        error_failed=bool(facts.failed_validations),
        warning_failed=bool(facts.failed_warnings),
    )
    return Trial(
        step_id=known.step.id,
        attempt_id=known.attempt.id,
        attempt_number=known.attempt.number,
        policy=policy.name,
        digest=policy.digest,
        decision=verdict.decision,
        fired=verdict.fired,
        reasons=verdict.reasons,
        state=state,
        recorded_decision=recorded.decision,
        recorded_state=known.attempt.result_state or known.step.state,
        facts=facts,
    )


def _judged(queries: Queries, address: str) -> tuple[Known, Verdict, Facts]:
    step = find_step(queries, address)
    attempt = the_attempt(queries, step.latest_attempt_id) if step.latest_attempt_id else None
    if attempt is None:
        raise NotFound(f"step {step.id} is {step.state}: it has no attempt that policy could judge")
    if attempt.verdict is None or attempt.facts is None:
        raise NotFound(
            f"policy was not asked about attempt {attempt.number} of step {step.id}, which is "
            f"{attempt.result_state or attempt.state}"
        )
    return known_of(queries, step, attempt), attempt.verdict, attempt.facts


def _completed(rooms: Rooms, policy: Policy, known: Known, recorded: Facts) -> Facts:
    """The recorded facts, and those that only this policy asks about."""
    _, found = facts_of(rooms, policy, known)
    lacking = _missing(recorded)
    # These depend on the globs of a policy, so those of another one say nothing.
    return replace(recorded, **{name: getattr(found, name) for name in {*lacking, "matched_paths"}})


def _missing(facts: Facts) -> Sequence[str]:
    return [each.name for each in fields(facts) if getattr(facts, each.name) is None]
