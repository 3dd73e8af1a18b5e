"""From a policy and the facts to a verdict, with the reasons. Pure.

Order: fail, retry, gate, continue; the first block with a key that fired wins. A fact that
could not be found out gates where nothing failed or is retried; continue wants all of its
keys; when no rule matched, a person is asked.
"""

from collections.abc import Mapping
from dataclasses import fields

from codencer.model.policy import Decision, Facts, Policy, Verdict
from codencer.policy.keys import CONTINUE, FAIL, GATE, RETRY, Key

UNKNOWN = "facts_unknown"
NO_RULE = "no_rule_matched"
NOTHING_ELSE = "nothing_else_fired"

Findings = dict[str, str]


def evaluate(policy: Policy, facts: Facts) -> Verdict:
    """Return the decision of `policy` on `facts`; the same ones always give the same verdict."""
    if failed := _fired(policy.fail_when, FAIL, facts):
        return _verdict(policy, Decision.FAIL, failed)
    if retried := _fired(policy.retry_when, RETRY, facts):
        return _verdict(policy, Decision.RETRY, retried)
    gated = _fired(policy.gate_when, GATE, facts) | _unknown(facts)
    if gated:
        return _verdict(policy, Decision.GATE, gated)
    wanted = [name for name, value in policy.continue_when.items() if _is_on(value)]
    held = _fired(policy.continue_when, CONTINUE, facts)
    if len(held) == len(wanted):
        return _verdict(
            policy, Decision.CONTINUE, held or {NOTHING_ELSE: "no rule to fail, retry or gate fired"}
        )
    missing = ", ".join(name for name in wanted if name not in held)
    return _verdict(policy, Decision.GATE, {NO_RULE: f"nothing fired, and to continue these lack: {missing}"})


def _is_on(value: object) -> bool:
    """A count of 0 is a rule; false and null switch a key off."""
    return value is not None and value is not False


def _fired(block: Mapping[str, object], keys: Mapping[str, Key], facts: Facts) -> Findings:
    findings = {}
    for name, value in block.items():
        # A key without a meaning here is a policy that was not loaded by `load`: a KeyError, not a guess.
        key = keys[name]
        if isinstance(value, int) and _is_on(value) and (reason := key.test(facts, value)) is not None:
            findings[name] = reason
    return findings


def _unknown(facts: Facts) -> Findings:
    names = [each.name for each in fields(facts) if getattr(facts, each.name) is None]
    return {UNKNOWN: f"could not be found out: {', '.join(names)}"} if names else {}


def _verdict(policy: Policy, decision: Decision, findings: Findings) -> Verdict:
    return Verdict(
        decision=decision,
        policy=policy.name,
        digest=policy.digest,
        fired=tuple(findings),
        reasons=tuple(f"{name}: {reason}" for name, reason in findings.items()),
    )
