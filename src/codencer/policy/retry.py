"""How a policy retries: the settings of `retry_when`, with their defaults and bounds. Pure."""

from dataclasses import dataclass

from codencer.model.policy import Policy

MOST_ATTEMPTS = 20
LONGEST_BACKOFF_SECONDS = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class RetryRule:
    """`max_attempts` counts the first one; the backoff doubles with each further attempt."""

    max_attempts: int = 2
    backoff_seconds: int = 0
    next_adapter: bool = False
    from_snapshot: bool = False

    def backoff(self, tries: int) -> int:
        """Seconds to wait after the attempt that was the `tries`-th."""
        return int(min(self.backoff_seconds * 2 ** (tries - 1), LONGEST_BACKOFF_SECONDS))


def falls_over_at_once(policy: Policy, tries: int) -> RetryRule | None:
    """How `policy` retries, if it has the next agent follow one that breaks in its `tries`-th attempt."""
    rule = retry_rule(policy)
    wanted = policy.retry_when.get("adapter_process_failed") is True and rule.next_adapter
    return rule if wanted and tries < rule.max_attempts else None


def retry_rule(policy: Policy) -> RetryRule:
    """How `policy` retries, when one of its keys says that it does."""
    given = {name: value for name, value in policy.retry_when.items() if value is not None}
    numbers = {
        name: value
        for name in ("max_attempts", "backoff_seconds")
        if isinstance(value := given.get(name), int)
    }
    return RetryRule(
        **numbers,
        next_adapter=given.get("next_adapter") is True,
        from_snapshot=given.get("from") == "snapshot",
    )
