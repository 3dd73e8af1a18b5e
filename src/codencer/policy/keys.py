"""Every key a policy may use: one line each, with the fact behind it.

A key of `fail_when`, `retry_when` or `gate_when` that fires returns its reason; a key of
`continue_when` returns one when it holds. A fact that is None never fires a key: `evaluate` gates on it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from codencer.model.ending import Ending
from codencer.model.policy import Facts
from codencer.policy.retry import LONGEST_BACKOFF_SECONDS, MOST_ATTEMPTS

SHOWN = 10
"""So many paths of a long list are named in a reason; all of them are in the facts."""


class Value(Enum):
    """What a key may be set to; null switches any of them off."""

    SWITCH = "true or false"
    COUNT = "a whole number, 0 or more"
    ATTEMPTS = f"a whole number, 1 to {MOST_ATTEMPTS}"
    SECONDS = f"a whole number of seconds, 0 to {LONGEST_BACKOFF_SECONDS}"
    START = "base or snapshot"


@dataclass(frozen=True, kw_only=True)
class Key:
    """`test` gets the facts and the value of the file, and is not asked when it is off.

    A key without a test is no reason by itself: it says how something else is done.
    """

    value: Value
    test: Callable[[Facts, int], str | None] | None = None


def _named(what: str, items: Sequence[str] | None) -> str | None:
    if not items:
        return None
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f"{what}: {', '.join(items[:SHOWN])}{more}"


def _if(condition: bool | None, reason: str) -> str | None:
    return reason if condition else None


def _switch(test: Callable[[Facts], str | None]) -> Key:
    return Key(value=Value.SWITCH, test=lambda facts, _: test(facts))


def _count(test: Callable[[Facts, int], str | None]) -> Key:
    return Key(value=Value.COUNT, test=test)


FAIL: Mapping[str, Key] = {
    "tests_failed": _switch(lambda f: _named("failed", f.failed_validations)),
    "forbidden_paths_touched": _switch(lambda f: _named("changed", f.forbidden_paths_touched)),
    "artifact_persistence_failed": _switch(
        lambda f: _if(not f.artifacts_complete, "not all evidence could be stored")
    ),
    "timeout_count_over": _count(
        lambda f, n: _if(f.timeouts > n, f"{f.timeouts} attempts met their time limit, more than {n}")
    ),
}
RETRY: Mapping[str, Key] = {
    "adapter_process_failed": _switch(
        lambda f: _if(f.ending is Ending.BROKEN, f"the agent broke ({f.error_kind})")
    ),
    "timeout_once": _switch(
        lambda f: _if(
            f.ending is Ending.TIMED_OUT and f.timeouts <= 1,
            "the agent met its time limit for the first time",
        )
    ),
    "agent_declined": _switch(
        lambda f: _if(f.ending is Ending.DECLINED, f"the agent says that it did not succeed ({f.error_kind})")
    ),
    "tests_failed": _switch(
        lambda f: _named("failed", f.failed_validations if f.ending is Ending.SUCCEEDED else ())
    ),
    "max_attempts": Key(value=Value.ATTEMPTS),
    "backoff_seconds": Key(value=Value.SECONDS),
    "next_adapter": Key(value=Value.SWITCH),
    "from": Key(value=Value.START),
}
GATE: Mapping[str, Key] = {
    "snapshot_incomplete": _switch(
        lambda f: _if(f.snapshot_complete is False, "some files could not be read into the snapshot")
    ),
    "protected_paths_changed": _switch(lambda f: _named("changed", f.protected_paths_changed)),
    "paths_outside_scope": _switch(lambda f: _named("changed", f.paths_outside_scope)),
    "processes_left": _switch(lambda f: _named("could not be stopped", f.survivors)),
    "changed_files_over": _count(
        lambda f, n: _if((f.changed_files or 0) > n, f"{f.changed_files} files changed, more than {n}")
    ),
    "no_changes": _switch(lambda f: _if(f.changed_files == 0, "no file was changed")),
}
CONTINUE: Mapping[str, Key] = {
    "all_validations_pass": _switch(
        lambda f: _if(not f.failed_validations and not f.failed_warnings, "no validation failed")
    ),
    "max_changed_files": _count(
        lambda f, n: _if(
            f.changed_files is not None and f.changed_files <= n,
            f"{f.changed_files} files changed, at most {n} allowed",
        )
    ),
    "no_forbidden_paths_touched": _switch(
        lambda f: _if(f.forbidden_paths_touched == (), "no forbidden path was changed")
    ),
}

BLOCKS: Mapping[str, Mapping[str, Key]] = {
    "fail_when": FAIL,
    "retry_when": RETRY,
    "gate_when": GATE,
    "continue_when": CONTINUE,
}

PLANNED: Mapping[str, frozenset[str]] = {
    "fail_when": frozenset({"cost_usd_over"}),
    "retry_when": frozenset(),
    "gate_when": frozenset(
        {
            "any_validation_fails",
            "dependency_files_changed",
            "migrations_detected",
            "deletions_over",
            "secrets_detected",
            "unresolved_questions_present",
            "paths",
        }
    ),
    "continue_when": frozenset({"no_migrations_detected"}),
}
"""Keys with a meaning that nothing enforces yet: refused by name, never ignored."""
