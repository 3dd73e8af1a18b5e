"""Decisions: the order of the blocks, the reasons, and that doubt never lets an attempt continue."""

from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from codencer.model.ending import Ending, ErrorKind
from codencer.model.policy import Decision, Facts, Policy
from codencer.policy import evaluate, load

# A busy machine is not a failure.
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

BASIC = load("basic")
GOOD = Facts(
    snapshot_complete=True,
    changed_files=1,
    forbidden_paths_touched=(),
    paths_outside_scope=(),
    protected_paths_changed=(),
    failed_validations=(),
    failed_warnings=(),
    survivors=(),
)
VIOLATIONS: dict[str, tuple[Facts, Decision, str]] = {
    "tests_failed": (replace(GOOD, failed_validations=("unit",)), Decision.FAIL, "failed: unit"),
    "forbidden_paths_touched": (
        replace(GOOD, forbidden_paths_touched=("a.sql", "b.sql")),
        Decision.FAIL,
        "changed: a.sql, b.sql",
    ),
    "artifact_persistence_failed": (
        replace(GOOD, artifacts_complete=False),
        Decision.FAIL,
        "not all evidence could be stored",
    ),
    "snapshot_incomplete": (
        replace(GOOD, snapshot_complete=False),
        Decision.GATE,
        "some files could not be read into the snapshot",
    ),
    "protected_paths_changed": (
        replace(GOOD, protected_paths_changed=("tests/a.py",)),
        Decision.GATE,
        "changed: tests/a.py",
    ),
    "paths_outside_scope": (replace(GOOD, paths_outside_scope=("b",)), Decision.GATE, "changed: b"),
    "processes_left": (
        replace(GOOD, survivors=("123 sleep",)),
        Decision.GATE,
        "could not be stopped: 123 sleep",
    ),
}


def test_nothing_wrong_continues() -> None:
    verdict = evaluate(BASIC, GOOD)
    assert verdict.decision is Decision.CONTINUE
    assert verdict.fired == ("nothing_else_fired",)
    assert (verdict.policy, verdict.digest) == ("basic", BASIC.digest)


@pytest.mark.parametrize("key", VIOLATIONS)
def test_each_key_of_basic_fires_with_its_fact(key: str) -> None:
    facts, decision, reason = VIOLATIONS[key]
    verdict = evaluate(BASIC, facts)
    assert verdict.decision is decision
    assert verdict.fired == (key,)
    assert verdict.reasons == (f"{key}: {reason}",)


def test_every_key_of_basic_is_tried_above() -> None:
    assert set(VIOLATIONS) == {*BASIC.fail_when, *BASIC.gate_when}


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


names = st.lists(st.text("ab/", min_size=1, max_size=3), max_size=3).map(tuple)
facts = st.builds(
    Facts,
    snapshot_complete=st.none() | st.booleans(),
    changed_files=st.none() | st.integers(0, 5),
    forbidden_paths_touched=st.none() | names,
    paths_outside_scope=st.none() | names,
    protected_paths_changed=st.none() | names,
    failed_validations=names,
    failed_warnings=names,
    survivors=names,
    artifacts_complete=st.booleans(),
    attempts=st.integers(1, 5),
    timeouts=st.integers(0, 3),
    ending=st.sampled_from([Ending.SUCCEEDED, *Ending]),
)
switches = st.none() | st.booleans()
counts = st.none() | st.integers(0, 5)
policies = st.builds(
    Policy,
    name=st.just("p"),
    fail_when=st.fixed_dictionaries({}, optional=dict.fromkeys(BASIC.fail_when, switches)),
    retry_when=st.fixed_dictionaries(
        {}, optional={**dict.fromkeys(ENDED, switches), "max_attempts": st.integers(1, 4)}
    ),
    gate_when=st.fixed_dictionaries(
        {}, optional={**dict.fromkeys(BASIC.gate_when, switches), "changed_files_over": counts}
    ),
    continue_when=st.fixed_dictionaries(
        {}, optional={"all_validations_pass": switches, "max_changed_files": counts}
    ),
)

WORSE: dict[str, dict[str, object]] = {
    "validation": {"failed_validations": ("new",)},
    "forbidden": {"forbidden_paths_touched": ("new",)},
    "scope": {"paths_outside_scope": ("new",)},
    "protected": {"protected_paths_changed": ("new",)},
    "snapshot": {"snapshot_complete": False},
    "evidence": {"artifacts_complete": False},
    "survivor": {"survivors": ("1 new",)},
    "broken": {"ending": Ending.BROKEN},
    "declined": {"ending": Ending.DECLINED},
    "timed out": {"ending": Ending.TIMED_OUT, "timeouts": 9},
    "unknown snapshot": {"snapshot_complete": None},
    "unknown scope": {"paths_outside_scope": None},
    "unknown forbidden": {"forbidden_paths_touched": None},
    "unknown count": {"changed_files": None},
}
SEVERITY = {Decision.CONTINUE: 0, Decision.GATE: 1, Decision.RETRY: 2, Decision.FAIL: 3}


@steady
@given(policies, facts, st.sampled_from(sorted(WORSE)))
def test_making_it_worse_never_makes_it_continue(policy: Policy, before: Facts, how: str) -> None:
    # Learning what was unknown is no worsening: an unknown fact already gates under every policy.
    assume(all(getattr(before, name) is not None for name in WORSE[how]))
    after = replace(before, **WORSE[how])  # type: ignore[arg-type]
    first, second = evaluate(policy, before).decision, evaluate(policy, after).decision
    if first is not Decision.CONTINUE:
        assert second is not Decision.CONTINUE


@steady
@given(
    facts,
    st.sampled_from(["validation", "forbidden", "scope", "protected", "snapshot", "evidence", "survivor"]),
)
def test_basic_is_monotone_in_known_violations(before: Facts, how: str) -> None:
    known = replace(before, **{each: getattr(GOOD, each) for each in _unknown(before)})
    after = replace(known, **WORSE[how])  # type: ignore[arg-type]
    assert SEVERITY[evaluate(BASIC, after).decision] >= SEVERITY[evaluate(BASIC, known).decision]


@steady
@given(policies, facts)
def test_only_an_agent_that_ended_well_continues_and_nobody_is_tried_for_ever(
    policy: Policy, found: Facts
) -> None:
    decision = evaluate(policy, found).decision
    if found.ending is not Ending.SUCCEEDED:
        assert decision in (Decision.FAIL, Decision.RETRY)
    assert evaluate(policy, replace(found, attempts=20)).decision is not Decision.RETRY


@steady
@given(policies, facts)
def test_doubt_never_continues(policy: Policy, found: Facts) -> None:
    if _unknown(found):
        assert evaluate(policy, found).decision is not Decision.CONTINUE


@steady
@given(policies, facts)
def test_the_same_facts_give_the_same_verdict_with_reasons(policy: Policy, found: Facts) -> None:
    verdict = evaluate(policy, found)
    assert verdict == evaluate(replace(policy), replace(found))
    assert verdict.fired
    assert [reason.split(":")[0] for reason in verdict.reasons] == list(verdict.fired)


def _unknown(found: Facts) -> list[str]:
    return [each.name for each in fields(found) if getattr(found, each.name) is None]
