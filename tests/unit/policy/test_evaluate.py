"""Decisions: the order of the blocks, the reasons, and that doubt never lets an attempt continue."""

from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from codencer.model.ending import Ending, ErrorKind, HaltCause
from codencer.model.policy import Decision, Facts, Policy
from codencer.policy import evaluate, globs_of, has_budget, load, must_stop, over_budget, wanted
from codencer.policy import names as shipped
from codencer.policy.evaluate import ALWAYS_NEEDED
from codencer.policy.keys import BLOCKS, CONTINUE, FAIL, GATE

# A busy machine is not a failure.
steady = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])

BASIC = load("basic")
SHIPPED = [load(name) for name in shipped()]
GOOD = Facts(
    snapshot_complete=True,
    changed_files=1,
    forbidden_paths_touched=(),
    paths_outside_scope=(),
    protected_paths_changed=(),
    failed_validations=(),
    failed_warnings=(),
    survivors=(),
    cost_microusd=0,
    tokens=0,
    agent_ms=0,
    changed_lines=1,
    deleted_files=0,
    dependency_files=(),
    migrations=(),
    ci_files=(),
    generated_files=(),
    binaries=(),
    symlinks=(),
    modes_changed=(),
    submodules=(),
    matched_paths=(),
    secrets=(),
    conflict_markers=(),
    largest_file_bytes=1,
)
Broken = tuple[object, dict[str, object], str]
"""The value of a key, what of the facts makes it fire, and the reason it gives."""
SPENT: dict[str, Broken] = {
    "cost_usd_over": ("0.5", {"cost_microusd": 500_001}, "0.500001 USD were spent, more than 0.5"),
    "tokens_over": (10, {"tokens": 11}, "11 tokens were used, more than 10"),
    "agent_seconds_over": (2, {"agent_ms": 2001}, "agents worked 2.0 s, more than 2"),
}
FAILS: dict[str, Broken] = {
    "tests_failed": (True, {"failed_validations": ("unit",)}, "failed: unit"),
    "forbidden_paths_touched": (
        True,
        {"forbidden_paths_touched": ("a.sql", "b.sql")},
        "changed: a.sql, b.sql",
    ),
    "artifact_persistence_failed": (
        True,
        {"artifacts_complete": False},
        "not all evidence could be stored",
    ),
    "timeout_count_over": (1, {"timeouts": 2}, "2 attempts met a time limit, more than 1"),
    **SPENT,
}
GATES: dict[str, Broken] = {
    "snapshot_incomplete": (
        True,
        {"snapshot_complete": False},
        "some files could not be read into the snapshot",
    ),
    "protected_paths_changed": (
        True,
        {"protected_paths_changed": ("tests/a.py",)},
        "changed: tests/a.py",
    ),
    "paths_outside_scope": (True, {"paths_outside_scope": ("b",)}, "changed: b"),
    "processes_left": (True, {"survivors": ("123 sleep",)}, "could not be stopped: 123 sleep"),
    "any_validation_fails": (
        True,
        {"failed_validations": ("unit",), "failed_warnings": ("lint",)},
        "failed: unit, lint",
    ),
    "unresolved_questions_present": (
        True,
        {"questions": ("which one?",)},
        "the agent asked 1 questions that nobody answered",
    ),
    "changed_files_over": (3, {"changed_files": 4}, "4 files changed, more than 3"),
    "changed_lines_over": (3, {"changed_lines": 4}, "4 lines added or deleted, more than 3"),
    "deletions_over": (0, {"deleted_files": 1}, "1 files deleted, more than 0"),
    "file_bytes_over": (
        9,
        {"largest_file_bytes": 10},
        "10 bytes in the largest file that was changed, more than 9",
    ),
    "no_changes": (True, {"changed_files": 0}, "no file was changed"),
    "paths": (["*.sql"], {"matched_paths": ("a.sql",)}, "changed: a.sql"),
    "dependency_files_changed": (True, {"dependency_files": ("go.mod",)}, "changed: go.mod"),
    "migrations_detected": (True, {"migrations": ("m",)}, "changed: m"),
    "ci_files_changed": (True, {"ci_files": ("c",)}, "changed: c"),
    "generated_files_changed": (True, {"generated_files": ("g",)}, "changed: g"),
    "binaries_changed": (True, {"binaries": ("b",)}, "changed: b"),
    "symlinks_changed": (True, {"symlinks": ("s",)}, "changed: s"),
    "modes_changed": (True, {"modes_changed": ("m",)}, "changed: m"),
    "submodules_changed": (True, {"submodules": ("s",)}, "changed: s"),
    "secrets_detected": (True, {"secrets": ("a:1 (key)",)}, "added: a:1 (key)"),
    "conflict_markers_present": (True, {"conflict_markers": ("a:1",)}, "added: a:1"),
    **SPENT,
}
CONTINUES: dict[str, Broken] = {
    "all_validations_pass": (True, {"failed_warnings": ("lint",)}, "no validation failed"),
    "max_changed_files": (1, {"changed_files": 2}, "1 files changed, at most 1 allowed"),
    "no_forbidden_paths_touched": (
        True,
        {"forbidden_paths_touched": ("x",)},
        "no forbidden path was changed",
    ),
    "no_migrations_detected": (True, {"migrations": ("m",)}, "no migration was changed"),
}


def but(facts: Facts, **changes: object) -> Facts:
    return replace(facts, **changes)  # type: ignore[arg-type]


def test_every_key_is_tried_below() -> None:
    assert (set(FAILS), set(GATES), set(CONTINUES)) == (set(FAIL), set(GATE), set(CONTINUE))


@pytest.mark.parametrize("key", FAILS)
def test_each_key_to_fail_fires_with_its_fact_alone(key: str) -> None:
    value, broken, reason = FAILS[key]
    policy = Policy(name="p", fail_when={key: value})
    assert evaluate(policy, GOOD).decision is Decision.CONTINUE
    verdict = evaluate(policy, but(GOOD, **broken))
    assert (verdict.decision, verdict.fired) == (Decision.FAIL, (key,))
    assert verdict.reasons == (f"{key}: {reason}",)


@pytest.mark.parametrize("key", GATES)
def test_each_key_to_gate_fires_with_its_fact_alone(key: str) -> None:
    value, broken, reason = GATES[key]
    policy = Policy(name="p", gate_when={key: value})
    assert evaluate(policy, GOOD).decision is Decision.CONTINUE
    verdict = evaluate(policy, but(GOOD, **broken))
    assert (verdict.decision, verdict.fired) == (Decision.GATE, (key,))
    assert verdict.reasons == (f"{key}: {reason}",)


@pytest.mark.parametrize("key", CONTINUES)
def test_each_key_to_continue_holds_or_a_person_is_asked(key: str) -> None:
    value, broken, reason = CONTINUES[key]
    policy = Policy(name="p", continue_when={key: value})
    verdict = evaluate(policy, GOOD)
    assert (verdict.decision, verdict.reasons) == (Decision.CONTINUE, (f"{key}: {reason}",))
    assert evaluate(policy, but(GOOD, **broken)).fired == ("no_rule_matched",)


@pytest.mark.parametrize(
    ("block", "key"), [(block, key) for block, keys in BLOCKS.items() for key in keys if keys[key].needs]
)
def test_a_fact_that_a_key_asks_about_and_nobody_knows_gates(block: str, key: str) -> None:
    value = {**FAILS, **GATES, **CONTINUES}[key][0]
    policy = Policy(name="p", **{block: {key: value}})  # type: ignore[arg-type]
    for fact in BLOCKS[block][key].needs:
        if fact in ("failed_validations", "survivors", "timeouts"):
            continue  # these are always known
        verdict = evaluate(policy, but(GOOD, **{fact: None}))
        assert verdict.decision is Decision.GATE
        assert verdict.reasons == (f"facts_unknown: could not be found out: {fact}",)
        off = Policy(name="p", **{block: {key: None}})  # type: ignore[arg-type]
        needed_anyway = fact in ALWAYS_NEEDED
        assert (evaluate(off, but(GOOD, **{fact: None})).decision is Decision.GATE) is needed_anyway


def test_a_key_asks_about_the_facts_that_it_says() -> None:
    assert wanted(load("basic")) >= {"protected_paths_changed", "forbidden_paths_touched"}
    assert not wanted(load("basic")) & {"secrets", "matched_paths", "cost_microusd", "largest_file_bytes"}
    assert wanted(load("strict")) >= {"secrets", "conflict_markers", "largest_file_bytes", "migrations"}
    assert wanted(Policy(name="p", gate_when={"secrets_detected": False})) == frozenset()
    assert globs_of(load("default_safe_refactor")) == ["**/*.sql"]
    assert globs_of(Policy(name="p", gate_when={"paths": None})) == []


def test_a_budget_is_met_by_what_was_used_up_alone() -> None:
    policy = Policy(name="p", fail_when={"cost_usd_over": "1", "tests_failed": True})
    assert not over_budget(policy, replace(GOOD, cost_microusd=1_000_000, failed_validations=("x",)))
    assert over_budget(policy, replace(GOOD, cost_microusd=1_000_001))
    assert not over_budget(policy, replace(GOOD, cost_microusd=None))
    assert not over_budget(BASIC, replace(GOOD, cost_microusd=10**12))


@pytest.mark.parametrize("block", ["fail_when", "gate_when"])
@pytest.mark.parametrize("key", SPENT)
def test_over_a_budget_or_without_knowing_nothing_is_retried(block: str, key: str) -> None:
    value, over, reason = SPENT[key]
    retrying = {"adapter_process_failed": True, "tests_failed": True}
    policy = replace(Policy(name="p", retry_when=retrying), **{block: {key: value}})  # type: ignore[arg-type]
    broken = replace(GOOD, ending=Ending.BROKEN, error_kind=ErrorKind.CRASH)
    assert evaluate(policy, broken).decision is Decision.RETRY
    assert evaluate(policy, but(broken, **over)).decision is Decision.FAIL
    assert f"{key}: {reason}" in evaluate(policy, but(broken, **over)).reasons[-1]
    (fact,) = over
    unknown = evaluate(policy, but(broken, **{fact: None}))
    assert (unknown.decision, unknown.fired[-1]) == (Decision.FAIL, "budget_used_up")
    failed = replace(GOOD, failed_validations=("unit",))
    expected = Decision.FAIL if block == "fail_when" else Decision.GATE
    assert evaluate(policy, but(failed, **over)).decision is expected
    assert evaluate(policy, but(failed, **{fact: None})).decision is Decision.GATE
    assert bool(must_stop(policy, but(GOOD, **over))) is (block == "fail_when")
    assert has_budget(policy) is (block == "fail_when")


def test_an_agent_that_the_bridge_stopped_has_failed_or_goes_on_with_its_run() -> None:
    policy = Policy(name="p", fail_when={"tokens_over": 10}, retry_when={"adapter_process_failed": True})
    halted = replace(GOOD, ending=Ending.HALTED, error_kind=ErrorKind.LIMIT)
    assert evaluate(policy, halted).decision is Decision.FAIL
    for cause in HaltCause:
        verdict = evaluate(policy, replace(halted, halt=cause))
        assert (verdict.decision is Decision.RETRY) is (cause is HaltCause.RUN_PAUSED)
        assert evaluate(policy, replace(halted, halt=cause, tokens=11)).decision is Decision.FAIL


def test_nothing_wrong_continues() -> None:
    verdict = evaluate(BASIC, GOOD)
    assert verdict.decision is Decision.CONTINUE
    assert verdict.fired == ("nothing_else_fired",)
    assert (verdict.policy, verdict.digest) == ("basic", BASIC.digest)


def test_a_failed_warning_continues() -> None:
    assert evaluate(BASIC, replace(GOOD, failed_warnings=("lint",))).decision is Decision.CONTINUE


def test_fail_wins_over_gate_and_all_keys_of_the_block_are_named() -> None:
    verdict = evaluate(
        BASIC,
        replace(
            GOOD,
            failed_validations=("unit",),
            forbidden_paths_touched=("x",),
            snapshot_complete=None,
            survivors=("1 x",),
        ),
    )
    assert verdict.decision is Decision.FAIL
    assert verdict.fired == ("tests_failed", "forbidden_paths_touched")


def test_what_is_not_known_gates_and_says_so() -> None:
    verdict = evaluate(BASIC, replace(GOOD, changed_files=None, snapshot_complete=None, survivors=("1 x",)))
    assert verdict.decision is Decision.GATE
    assert verdict.fired == ("processes_left", "facts_unknown")
    assert verdict.reasons[1] == "facts_unknown: could not be found out: snapshot_complete, changed_files"


def test_many_paths_are_counted_not_listed() -> None:
    verdict = evaluate(BASIC, replace(GOOD, paths_outside_scope=tuple(str(n) for n in range(1000))))
    assert verdict.reasons == ("paths_outside_scope: changed: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 990 more",)


def test_continue_wants_all_of_its_keys() -> None:
    policy = Policy(
        name="p",
        continue_when={
            "all_validations_pass": True,
            "max_changed_files": 1,
            "no_forbidden_paths_touched": True,
        },
    )
    held = evaluate(policy, GOOD)
    assert held.decision is Decision.CONTINUE
    assert held.fired == ("all_validations_pass", "max_changed_files", "no_forbidden_paths_touched")
    lacking = evaluate(policy, replace(GOOD, changed_files=2, failed_warnings=("lint",)))
    assert lacking.decision is Decision.GATE
    assert lacking.fired == ("no_rule_matched",)
    assert lacking.reasons == (
        "no_rule_matched: nothing fired, and to continue these lack: all_validations_pass, max_changed_files",
    )


RETRYING = Policy(
    name="p",
    fail_when={"timeout_count_over": 2},
    retry_when={
        "adapter_process_failed": True,
        "timeout_once": True,
        "agent_declined": True,
        "tests_failed": True,
        "max_attempts": 3,
        "next_adapter": True,
    },
)
ENDED: dict[str, Facts] = {
    "adapter_process_failed": replace(GOOD, ending=Ending.BROKEN, error_kind=ErrorKind.QUOTA),
    "timeout_once": replace(GOOD, ending=Ending.TIMED_OUT, timeouts=1),
    "agent_declined": replace(GOOD, ending=Ending.DECLINED),
    "tests_failed": replace(GOOD, failed_validations=("unit",)),
}


@pytest.mark.parametrize("key", ENDED)
def test_each_reason_to_retry_fires_for_its_ending_alone(key: str) -> None:
    verdict = evaluate(RETRYING, ENDED[key])
    assert (verdict.decision, verdict.fired) == (Decision.RETRY, (key,))
    without = replace(RETRYING, retry_when={**RETRYING.retry_when, key: False})
    assert evaluate(without, ENDED[key]).decision is not Decision.RETRY
    assert evaluate(RETRYING, replace(ENDED[key], attempts=2)).decision is Decision.RETRY
    used_up = evaluate(RETRYING, replace(ENDED[key], attempts=3))
    assert used_up.decision is (Decision.CONTINUE if key == "tests_failed" else Decision.FAIL)


def test_what_is_not_retried_has_failed_with_its_reasons() -> None:
    broken = ENDED["adapter_process_failed"]
    assert evaluate(BASIC, broken).reasons == ("agent_did_not_end_well: broken (quota)",)
    assert evaluate(RETRYING, replace(broken, attempts=3)).reasons == (
        "agent_did_not_end_well: broken (quota)",
        "attempts_used_up: this was attempt 3 of 3",
    )
    again = replace(ENDED["timeout_once"], timeouts=2)
    assert evaluate(RETRYING, again).decision is Decision.FAIL, "once only"
    assert evaluate(RETRYING, replace(again, timeouts=3)).fired == ("timeout_count_over",)


def test_without_a_number_there_is_one_more_attempt() -> None:
    policy = Policy(name="p", retry_when={"adapter_process_failed": True, "max_attempts": None})
    broken = ENDED["adapter_process_failed"]
    assert evaluate(policy, broken).decision is Decision.RETRY
    assert evaluate(policy, replace(broken, attempts=2)).decision is Decision.FAIL


def test_counts() -> None:
    policy = Policy(name="p", gate_when={"changed_files_over": 0, "no_changes": True})
    assert evaluate(policy, GOOD).reasons == ("changed_files_over: 1 files changed, more than 0",)
    assert evaluate(policy, replace(GOOD, changed_files=0)).fired == ("no_changes",)
    none_allowed = Policy(name="p", continue_when={"max_changed_files": 0})
    assert evaluate(none_allowed, GOOD).decision is Decision.GATE
    assert evaluate(none_allowed, replace(GOOD, changed_files=0)).decision is Decision.CONTINUE


@pytest.mark.parametrize("off", [False, None])
def test_a_key_can_be_switched_off(off: bool | None) -> None:
    policy = Policy(name="p", fail_when={"tests_failed": off}, gate_when={"changed_files_over": None})
    assert evaluate(policy, replace(GOOD, failed_validations=("unit",))).decision is Decision.CONTINUE
    wanted_nothing = Policy(name="p", continue_when={"all_validations_pass": off})
    assert evaluate(wanted_nothing, replace(GOOD, failed_warnings=("x",))).decision is Decision.CONTINUE


def test_a_key_nobody_checked_is_not_ignored() -> None:
    with pytest.raises(KeyError):
        evaluate(Policy(name="p", gate_when={"unheard_of": True}), GOOD)


names = st.lists(st.text("ab/", min_size=1, max_size=3), max_size=2).map(tuple)
switches = st.none() | st.booleans()


def known(name: str) -> st.SearchStrategy[object]:
    """Values of a fact that are known, good and bad."""
    if name in ("snapshot_complete", "artifacts_complete"):
        return st.booleans()
    return st.integers(0, 5) if isinstance(getattr(GOOD, name), int) else names


def values_of(block: dict[str, Broken]) -> st.SearchStrategy[dict[str, object]]:
    """A block with any of its keys, on or off."""
    return st.fixed_dictionaries(
        {}, optional={key: st.none() | st.just(value) for key, (value, _, _) in block.items()}
    )


always_known = ("failed_validations", "failed_warnings", "survivors", "artifacts_complete", "questions")
facts = st.builds(
    Facts,
    **{
        each.name: known(each.name) if each.name in always_known else st.none() | known(each.name)
        for each in fields(Facts)
        if each.name not in ("attempts", "timeouts", "ending", "error_kind", "halt")
    },
    attempts=st.integers(1, 5),
    timeouts=st.integers(0, 3),
    ending=st.sampled_from([Ending.SUCCEEDED, *Ending]),
    halt=st.none() | st.sampled_from(HaltCause),
)
policies = st.builds(
    Policy,
    name=st.just("p"),
    fail_when=values_of(FAILS),
    retry_when=st.fixed_dictionaries(
        {}, optional={**dict.fromkeys(ENDED, switches), "max_attempts": st.integers(1, 4)}
    ),
    gate_when=values_of(GATES),
    continue_when=values_of(CONTINUES),
)

WORSE: dict[str, dict[str, object]] = {
    **{f"fail {key}": broken for key, (_, broken, _) in FAILS.items()},
    **{f"gate {key}": broken for key, (_, broken, _) in GATES.items() if key != "no_changes"},
    **{f"unknown {each.name}": {each.name: None} for each in fields(Facts) if getattr(GOOD, each.name) == ()},
    "broken": {"ending": Ending.BROKEN},
    "declined": {"ending": Ending.DECLINED},
    "timed out": {"ending": Ending.TIMED_OUT, "timeouts": 9},
    "unknown snapshot": {"snapshot_complete": None},
    "unknown count": {"changed_files": None},
    "unknown cost": {"cost_microusd": None},
}
for never in always_known:
    WORSE.pop(f"unknown {never}", None)


def is_worse(before: Facts, after: Facts, how: dict[str, object]) -> bool:
    """Whether nothing became known, or smaller, by the change."""
    for name in how:
        old, new = getattr(before, name), getattr(after, name)
        if old is None or (name == "ending" and old is not Ending.SUCCEEDED):
            return False
        if isinstance(old, int) and not isinstance(old, bool) and new is not None and new < old:
            return False
    return True


@steady
@given(policies, facts, st.sampled_from(sorted(WORSE)))
def test_adding_a_violation_never_makes_it_continue(policy: Policy, before: Facts, how: str) -> None:
    after = but(before, **WORSE[how])
    # Learning what was unknown is no worsening: an unknown fact gates where a key asks about it.
    assume(is_worse(before, after, WORSE[how]))
    if evaluate(policy, before).decision is not Decision.CONTINUE:
        assert evaluate(policy, after).decision is not Decision.CONTINUE


@steady
@given(st.sampled_from(SHIPPED), facts, st.sampled_from(sorted(WORSE)))
def test_so_it_is_with_every_policy_that_is_shipped(policy: Policy, before: Facts, how: str) -> None:
    after = but(before, **WORSE[how])
    assume(is_worse(before, after, WORSE[how]))
    if evaluate(policy, before).decision is not Decision.CONTINUE:
        assert evaluate(policy, after).decision is not Decision.CONTINUE


@steady
@given(policies, facts)
def test_only_an_agent_that_ended_well_continues_and_nobody_is_tried_for_ever(
    policy: Policy, found: Facts
) -> None:
    decision = evaluate(policy, found).decision
    if found.ending is not Ending.SUCCEEDED:
        assert decision in (Decision.FAIL, Decision.RETRY)
    # Only a person lets a paused run go on, so that is not for ever either.
    last = replace(found, attempts=20, halt=None)
    assert evaluate(policy, last).decision is not Decision.RETRY


@steady
@given(policies, facts)
def test_doubt_never_continues(policy: Policy, found: Facts) -> None:
    if any(getattr(found, name) is None for name in {*ALWAYS_NEEDED, *wanted(policy)}):
        assert evaluate(policy, found).decision is not Decision.CONTINUE


@steady
@given(policies, facts)
def test_the_same_facts_give_the_same_verdict_with_reasons(policy: Policy, found: Facts) -> None:
    verdict = evaluate(policy, found)
    assert verdict == evaluate(replace(policy), replace(found))
    assert verdict.fired
    assert [reason.split(":")[0] for reason in verdict.reasons] == list(verdict.fired)
