"""Policies: pure functions from the facts about an attempt to fail, retry, gate or continue.

`load` reads a bundle strictly, `evaluate` applies it. Both fail closed: a key that is not
enforced is refused, and a fact that could not be found out never lets an attempt continue.
"""

from codencer.policy.budget import RunSpent, exceeded, milliseconds_left, nothing_left, run_spent
from codencer.policy.evaluate import evaluate, globs_of, has_budget, must_stop, over_budget, wanted
from codencer.policy.load import MAX_POLICY_BYTES, Problem, check, content, load, names, parse
from codencer.policy.retry import RetryRule, falls_over_at_once, retry_rule

__all__ = [
    "MAX_POLICY_BYTES",
    "Problem",
    "RetryRule",
    "RunSpent",
    "check",
    "content",
    "evaluate",
    "exceeded",
    "falls_over_at_once",
    "globs_of",
    "has_budget",
    "load",
    "milliseconds_left",
    "must_stop",
    "names",
    "nothing_left",
    "over_budget",
    "parse",
    "retry_rule",
    "run_spent",
    "wanted",
]
