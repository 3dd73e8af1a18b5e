"""Policies: pure functions from the facts about an attempt to fail, retry, gate or continue.

`load` reads a bundle strictly, `evaluate` applies it. Both fail closed: a key that is not
enforced is refused, and a fact that could not be found out never lets an attempt continue.
"""

from codencer.policy.evaluate import evaluate
from codencer.policy.load import MAX_POLICY_BYTES, load, names, parse
from codencer.policy.retry import RetryRule, falls_over_at_once, retry_rule

__all__ = [
    "MAX_POLICY_BYTES",
    "RetryRule",
    "evaluate",
    "falls_over_at_once",
    "load",
    "names",
    "parse",
    "retry_rule",
]
