"""From a policy and the facts to a verdict, with the reasons. Pure.

Order: fail, retry, gate, continue; the first block with a key that fired wins. An agent that did not end
well is retried or has failed, whatever else holds. Nothing is retried over a budget, or when nobody knows
what was used. A fact that could not be found out gates where nothing failed or is retried; continue wants
all of its keys; when no rule matched, a person is asked.
"""

from collections.abc import Iterator, Mapping, Sequence

from codencer.model.ending import Ending, HaltCause
from codencer.model.policy import Decision, Facts, Policy, Verdict
from codencer.policy.keys import BUDGETS, CONTINUE, FAIL, GATE, RETRY, Key
from codencer.policy.retry import retry_rule

UNKNOWN = "facts_unknown"
NO_RULE = "no_rule_matched"
NOTHING_ELSE = "nothing_else_fired"
ENDED_BADLY = "agent_did_not_end_well"
USED_UP = "attempts_used_up"
NO_BUDGET = "budget_used_up"
RUN_PAUSED = "run_paused"

ALWAYS_NEEDED = (
    "snapshot_complete",
    "changed_files",
    "forbidden_paths_touched",
    "paths_outside_scope",
    "protected_paths_changed",
)
"""Without these nobody knows what an attempt did, whatever its policy asks."""

Findings = dict[str, str]


def evaluate(policy: Policy, facts: Facts) -> Verdict:
    """Return the decision of `policy` on `facts`; the same ones always give the same verdict."""
    if failed := _fired(policy.fail_when, FAIL, facts):
        return _verdict(policy, Decision.FAIL, failed)
    if facts.halt is HaltCause.RUN_PAUSED:
        return _verdict(policy, Decision.RETRY, {RUN_PAUSED: "the step goes on when its run does"})
    retried = _fired(policy.retry_when, RETRY, facts)
    used_up = _used_up(policy, facts) if retried else {}
    if retried and not used_up:
        return _verdict(policy, Decision.RETRY, retried)
    if facts.ending is not Ending.SUCCEEDED:
        words = f"{facts.ending} ({facts.error_kind})"
        return _verdict(policy, Decision.FAIL, {ENDED_BADLY: words, **used_up})
    return _judged(policy, facts)


def _used_up(policy: Policy, facts: Facts) -> Findings:
    """Why there is no further attempt although a key wants one."""
    most = retry_rule(policy).max_attempts
    if facts.attempts >= most:
        return {USED_UP: f"this was attempt {facts.attempts} of {most}"}
    if over := over_budget(policy, facts):
        return {NO_BUDGET: over}
    needed = dict.fromkeys(fact for name, key in _on(policy) if name in BUDGETS for fact in key.needs)
    unknown = [fact for fact in needed if getattr(facts, fact) is None]
    return {NO_BUDGET: f"nobody knows what is left: {', '.join(unknown)}"} if unknown else {}


def _judged(policy: Policy, facts: Facts) -> Verdict:
    """The verdict on work that an agent ended well, and that neither failed nor is done again."""
    gated = _fired(policy.gate_when, GATE, facts) | _unknown(policy, facts)
    if gated:
        return _verdict(policy, Decision.GATE, gated)
    on = [name for name, value in policy.continue_when.items() if _is_on(value)]
    held = _fired(policy.continue_when, CONTINUE, facts)
    if len(held) == len(on):
        return _verdict(
            policy, Decision.CONTINUE, held or {NOTHING_ELSE: "no rule to fail, retry or gate fired"}
        )
    missing = ", ".join(name for name in on if name not in held)
    return _verdict(policy, Decision.GATE, {NO_RULE: f"nothing fired, and to continue these lack: {missing}"})


def wanted(policy: Policy) -> frozenset[str]:
    """The facts that the keys of `policy` ask about."""
    return frozenset(fact for _, key in _on(policy) for fact in key.needs)


def globs_of(policy: Policy) -> Sequence[str]:
    """The globs of the policy's own, none when it has none."""
    globs = policy.gate_when.get("paths")
    return [str(each) for each in globs] if isinstance(globs, list | tuple) else []


def over_budget(policy: Policy, facts: Facts) -> str:
    """What was used up more than `policy` allows, in words; empty when nothing was."""
    return _over(policy.fail_when, facts) or _over(policy.gate_when, facts)


def must_stop(policy: Policy, facts: Facts) -> str:
    """Why an agent at work can only fail, whatever it does from now on; empty when it may go on."""
    return _over(policy.fail_when, facts)


def has_budget(policy: Policy) -> bool:
    """Whether an agent at work may come to where it can only fail."""
    return any(_is_on(value) for name, value in policy.fail_when.items() if name in BUDGETS)


def _over(block: Mapping[str, object], facts: Facts) -> str:
    budgets = {name: value for name, value in block.items() if name in BUDGETS}
    return ", ".join(f"{name}: {reason}" for name, reason in _fired(budgets, GATE, facts).items())


def _is_on(value: object) -> bool:
    """A count of 0 is a rule; false and null switch a key off."""
    return value is not None and value is not False


def _on(policy: Policy) -> Iterator[tuple[str, Key]]:
    """Every key of the policy that is not switched off."""
    for block, keys in (
        (policy.fail_when, FAIL),
        (policy.retry_when, RETRY),
        (policy.gate_when, GATE),
        (policy.continue_when, CONTINUE),
    ):
        yield from ((name, keys[name]) for name, value in block.items() if _is_on(value))


def _fired(block: Mapping[str, object], keys: Mapping[str, Key], facts: Facts) -> Findings:
    findings = {}
    for name, value in block.items():
        # A key without a meaning here is a policy that was not loaded by `load`: a KeyError, not a guess.
        test = keys[name].test
        if test is not None and _is_on(value) and (reason := test(facts, value)) is not None:
            findings[name] = reason
    return findings


def _unknown(policy: Policy, facts: Facts) -> Findings:
    needed = dict.fromkeys((*ALWAYS_NEEDED, *(fact for _, key in _on(policy) for fact in key.needs)))
    names = [name for name in needed if getattr(facts, name) is None]
    return {UNKNOWN: f"could not be found out: {', '.join(names)}"} if names else {}


def _verdict(policy: Policy, decision: Decision, findings: Findings) -> Verdict:
    return Verdict(
        decision=decision,
        policy=policy.name,
        digest=policy.digest,
        fired=tuple(findings),
        reasons=tuple(f"{name}: {reason}" for name, reason in findings.items()),
    )
