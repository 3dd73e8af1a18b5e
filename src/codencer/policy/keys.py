"""Every key a policy may use: one line each, with the fact behind it.

A key of `fail_when` or `gate_when` that fires returns its reason; a key of `continue_when`
returns one when it holds. A fact that is None never fires a key: `evaluate` gates on it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from codencer.model.policy import Facts

SHOWN = 10
"""So many paths of a long list are named in a reason; all of them are in the facts."""


class Value(Enum):
    """What a key may be set to; null switches any of them off."""

    SWITCH = "true or false"
    COUNT = "a whole number, 0 or more"


@dataclass(frozen=True, kw_only=True)
class Key:
    """`test` gets the facts and the value of the file, and is not asked when it is off."""

    value: Value
    test: Callable[[Facts, int], str | None]


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
}
RETRY: Mapping[str, Key] = {}
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
    "fail_when": frozenset({"timeout_count_over", "cost_usd_over"}),
    "retry_when": frozenset(
        {"adapter_process_failed", "timeout_once", "max_attempts", "backoff_seconds", "next_adapter", "from"}
    ),
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
