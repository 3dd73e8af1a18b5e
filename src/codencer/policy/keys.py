"""Every key a policy may use: one line each, with the fact behind it.

A key of `fail_when`, `retry_when` or `gate_when` that fires returns its reason; a key of `continue_when`
returns one when it holds. A fact that is None never fires a key: `evaluate` gates on it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from codencer.model.budget import dollars
from codencer.model.ending import Ending
from codencer.model.policy import Facts
from codencer.policy.values import Value

SHOWN = 10
"""So many paths of a long list are named in a reason; more of them are in the facts."""

Test = Callable[[Facts, Any], str | None]


@dataclass(frozen=True, kw_only=True)
class Key:
    """`test` gets the facts and the value of the file, and is not asked when it is off.

    `needs` are the facts that must be known for an answer. A key without a test is no reason by itself:
    it says how something else is done.
    """

    value: Value
    test: Test | None = None
    needs: tuple[str, ...] = ()


def _listed(what: str, items: Sequence[str] | None) -> str | None:
    if not items:
        return None
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f"{what}: {', '.join(items[:SHOWN])}{more}"


def _if(condition: bool | None, reason: str) -> str | None:
    return reason if condition else None


def _switch(test: Callable[[Facts], str | None], *needs: str) -> Key:
    return Key(value=Value.SWITCH, test=lambda facts, _: test(facts), needs=needs)


def _named(fact: str, what: str = "changed") -> Key:
    """Fires when a list of names is not empty."""
    return _switch(lambda facts: _listed(what, getattr(facts, fact)), fact)


def _over(fact: str, words: str) -> Key:
    """Fires when a number is greater than the key's."""

    def test(facts: Facts, most: int) -> str | None:
        found = getattr(facts, fact)
        return _if(found is not None and found > most, f"{found} {words}, more than {most}")

    return Key(value=Value.COUNT, test=test, needs=(fact,))


def _cost_over(facts: Facts, most: str) -> str | None:
    if facts.cost_microusd is None:
        return None
    over = Decimal(facts.cost_microusd) / 1_000_000 > Decimal(most)
    return _if(over, f"{dollars(facts.cost_microusd)} USD were spent, more than {most}")


def _seconds_over(facts: Facts, most: int) -> str | None:
    if facts.agent_ms is None:
        return None
    return _if(facts.agent_ms > 1000 * most, f"agents worked {facts.agent_ms / 1000:.1f} s, more than {most}")


def _at_most(facts: Facts, most: int) -> str | None:
    found = facts.changed_files
    return _if(found is not None and found <= most, f"{found} files changed, at most {most} allowed")


_BUDGET_KEYS: Mapping[str, Key] = {
    "cost_usd_over": Key(value=Value.MONEY, test=_cost_over, needs=("cost_microusd",)),
    "tokens_over": _over("tokens", "tokens were used"),
    "agent_seconds_over": Key(value=Value.COUNT, test=_seconds_over, needs=("agent_ms",)),
}
BUDGETS = frozenset(_BUDGET_KEYS)
"""Keys about what was used up: an agent that is over one does not go on, and no other one takes over."""

FAIL: Mapping[str, Key] = {
    "tests_failed": _named("failed_validations", "failed"),
    "forbidden_paths_touched": _named("forbidden_paths_touched"),
    "artifact_persistence_failed": _switch(
        lambda f: _if(not f.artifacts_complete, "not all evidence could be stored")
    ),
    "timeout_count_over": _over("timeouts", "attempts met a time limit"),
    **_BUDGET_KEYS,
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
        lambda f: _listed("failed", f.failed_validations if f.ending is Ending.SUCCEEDED else ())
    ),
    "max_attempts": Key(value=Value.ATTEMPTS),
    "backoff_seconds": Key(value=Value.SECONDS),
    "next_adapter": Key(value=Value.SWITCH),
    "from": Key(value=Value.START),
}
GATE: Mapping[str, Key] = {
    "snapshot_incomplete": _switch(
        lambda f: _if(f.snapshot_complete is False, "some files could not be read into the snapshot"),
        "snapshot_complete",
    ),
    "protected_paths_changed": _named("protected_paths_changed"),
    "paths_outside_scope": _named("paths_outside_scope"),
    "processes_left": _named("survivors", "could not be stopped"),
    "any_validation_fails": _switch(lambda f: _listed("failed", (*f.failed_validations, *f.failed_warnings))),
    "unresolved_questions_present": _switch(
        lambda f: _if(f.questions != (), f"the agent asked {len(f.questions)} questions that nobody answered")
    ),
    "changed_files_over": _over("changed_files", "files changed"),
    "changed_lines_over": _over("changed_lines", "lines added or deleted"),
    "deletions_over": _over("deleted_files", "files deleted"),
    "file_bytes_over": _over("largest_file_bytes", "bytes in the largest file that was changed"),
    "no_changes": _switch(lambda f: _if(f.changed_files == 0, "no file was changed"), "changed_files"),
    "paths": Key(
        value=Value.GLOBS, test=lambda f, _: _listed("changed", f.matched_paths), needs=("matched_paths",)
    ),
    "dependency_files_changed": _named("dependency_files"),
    "migrations_detected": _named("migrations"),
    "ci_files_changed": _named("ci_files"),
    "generated_files_changed": _named("generated_files"),
    "binaries_changed": _named("binaries"),
    "symlinks_changed": _named("symlinks"),
    "modes_changed": _named("modes_changed"),
    "submodules_changed": _named("submodules"),
    "secrets_detected": _named("secrets", "added"),
    "conflict_markers_present": _named("conflict_markers", "added"),
    **_BUDGET_KEYS,
}
CONTINUE: Mapping[str, Key] = {
    "all_validations_pass": _switch(
        lambda f: _if(not f.failed_validations and not f.failed_warnings, "no validation failed")
    ),
    "max_changed_files": Key(value=Value.COUNT, test=_at_most, needs=("changed_files",)),
    "no_forbidden_paths_touched": _switch(
        lambda f: _if(f.forbidden_paths_touched == (), "no forbidden path was changed"),
        "forbidden_paths_touched",
    ),
    "no_migrations_detected": _switch(
        lambda f: _if(f.migrations == (), "no migration was changed"), "migrations"
    ),
}

BLOCKS: Mapping[str, Mapping[str, Key]] = {
    "fail_when": FAIL,
    "retry_when": RETRY,
    "gate_when": GATE,
    "continue_when": CONTINUE,
}
