"""Reports of five test runners, and what follows from them and from the base."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.task import ValidationSpec
from codencer.model.validation import Outcome, TestState, ValidationState
from codencer.validation import conclude, judge_run, merge
from codencer.validation.report import LARGEST_REPORT_BYTES, Unreadable, read_report

PASSED, FAILED, ERROR, SKIPPED = TestState.PASSED, TestState.FAILED, TestState.ERROR, TestState.SKIPPED
SPEC = ValidationSpec(name="unit", command="run", report="junit:r.xml")

PYTEST = b"""<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">
<testsuite name="pytest" errors="1" failures="1" skipped="1" tests="4" time="0.05">
<testcase classname="tests.test_a" name="test_ok" time="0.001" />
<testcase classname="tests.test_a" name="test_no[1-x]"><failure message="1 == 2">def test</failure></testcase>
<testcase classname="tests.test_a" name="test_skip"><skipped type="pytest.skip" message="later"/></testcase>
<testcase classname="" name="tests.test_b"><error message="collection failure">boom</error></testcase>
</testsuite></testsuites>"""
JEST = b"""<testsuites name="jest tests" tests="2" failures="1"><testsuite name="sum" tests="2">
<testcase classname="sum adds" name="sum adds" time="0.002"/><testcase classname="sum fails" name="sum fails">
<failure>Error: expect(received)</failure></testcase></testsuite></testsuites>"""
GO = b"""<testsuites tests="2" failures="1"><testsuite name="example.com/m" tests="2"><properties/>
<testcase name="TestAdd" classname="example.com/m" time="0.000"></testcase>
<testcase name="TestSub/negative" classname="example.com/m"><failure message="Failed">m</failure></testcase>
</testsuite></testsuites>"""
SUREFIRE = b"""<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" name="AppTest" errors="1">
<properties><property name="java.version" value="17"/></properties>
<testcase name="ok" classname="com.acme.AppTest" time="0.01"/>
<testcase name="bad" classname="com.acme.AppTest">
<error type="IllegalState">at com.acme</error><system-out>noise</system-out></testcase></testsuite>"""

NODE = b"""<?xml version="1.0" encoding="utf-8"?><testsuites>
<testcase name="last page" classname="test" failure="1 !== 2"><failure type="testCodeFailure"/></testcase>
<testcase name="later" classname="test"><skipped type="skipped" message="true"/></testcase>
<testsuite name="outer" tests="1"><testsuite name="inner"><testcase name="deep" classname="test"/></testsuite>
</testsuite><!-- tests 3 --></testsuites>"""


@pytest.mark.parametrize(
    ("report", "tests"),
    [
        (
            PYTEST,
            {
                "tests.test_a.test_ok": PASSED,
                "tests.test_a.test_no[1-x]": FAILED,
                "tests.test_a.test_skip": SKIPPED,
                "tests.test_b": ERROR,
            },
        ),
        (JEST, {"sum adds.sum adds": PASSED, "sum fails.sum fails": FAILED}),
        (GO, {"example.com/m.TestAdd": PASSED, "example.com/m.TestSub/negative": FAILED}),
        (SUREFIRE, {"com.acme.AppTest.ok": PASSED, "com.acme.AppTest.bad": ERROR}),
        (NODE, {"test.last page": FAILED, "test.later": SKIPPED, "test.deep": PASSED}),
    ],
    ids=["pytest", "jest", "go", "surefire", "node"],
)
def test_the_dialects(report: bytes, tests: dict[str, TestState]) -> None:
    assert read_report(report) == tests


def test_tests_of_one_name_count_as_their_worst() -> None:
    cases = '<testcase name="t"/><testcase name="t"><failure/></testcase><testcase name="t"/>'
    assert read_report(f"<testsuite>{cases}</testsuite>".encode()) == {"t": FAILED}


BOMB = (
    b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">%s]><testsuite><testcase name="&z;"/></testsuite>"""
    % b"".join(
        b'<!ENTITY %s "%s">' % (bytes([name]), b"&%s;" % bytes([name - 1]) * 10) for name in range(98, 123)
    )
)


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"ok",
        b"<html/>",
        b"<testsuite/>",
        b"<testsuite><testcase",
        b"x" * (LARGEST_REPORT_BYTES + 1),
        BOMB,
    ],
    ids=["empty", "text", "html", "no tests", "cut", "huge", "bomb"],
)
def test_what_is_no_report_gives_no_verdict(report: bytes) -> None:
    with pytest.raises(Unreadable):
        read_report(report)
    outcome = judge_run(SPEC, ended(0), report)
    assert outcome.state is ValidationState.ERRORED
    assert "r.xml cannot be used" in (outcome.error or "")


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_that(data: bytes) -> None:
    for report in (data, b"<testsuite>" + data + b"</testsuite>", PYTEST[: len(data)] + data):
        try:
            read_report(report)
        except Unreadable:
            continue


def ended(code: int) -> ExitRecord:
    return ExitRecord(reason=ExitReason.EXITED, code=code)


def xml(**tests: str) -> bytes:
    inner = {"passed": "", "failed": "<failure/>", "error": "<error/>", "skipped": "<skipped/>"}
    cases = (f'<testcase name="{name}">{inner[state]}</testcase>' for name, state in tests.items())
    return f"<testsuite>{''.join(cases)}</testsuite>".encode()


@pytest.mark.parametrize(
    ("code", "report", "state"),
    [
        (0, xml(a="passed"), "passed"),
        (0, xml(a="passed", b="skipped"), "passed"),
        (0, xml(a="skipped", b="skipped"), "errored"),  # nothing was tested
        (1, xml(a="skipped"), "failed"),
        (1, xml(a="failed"), "failed"),
        (0, xml(a="failed"), "failed"),  # a runner that lies with its exit code
        (1, xml(a="passed"), "failed"),  # or a rule beside the tests, as of coverage
        (0, None, "errored"),
        (1, None, "errored"),
        (127, xml(a="passed"), "errored"),
    ],
)
def test_both_exit_code_and_report_have_to_agree(code: int, report: bytes | None, state: str) -> None:
    assert judge_run(SPEC, ended(code), report).state == state


def run(code: int = 0, **tests: str) -> Outcome:
    return judge_run(SPEC, ended(code), xml(**tests))


def test_what_passes_when_tried_again_is_flaky_and_no_failure() -> None:
    spec = replace(SPEC, retries=2)
    result = conclude(spec, [run(1, a="failed", b="passed"), run(0, a="passed", b="passed")])
    assert (result.state, result.flaky, result.newly_broken) == (ValidationState.PASSED, ("a",), ())
    two = conclude(spec, [run(1, a="failed", b="passed"), run(1, a="passed", b="failed")])
    assert (two.state, two.flaky) == (ValidationState.PASSED, ("a", "b"))
    for second in (run(0, a="skipped", b="passed"), run(0, b="passed")):
        unmended = conclude(spec, [run(1, a="failed", b="passed"), second])
        assert (unmended.state, unmended.flaky) == (ValidationState.FAILED, ()), "it was never seen to pass"
    still = conclude(spec, [run(1, a="failed", b="failed"), run(1, a="failed", b="passed")])
    assert (still.state, still.flaky) == (ValidationState.FAILED, ("b",))
    assert still.tests is not None
    assert (still.tests.passed, still.tests.failed) == (1, 1)


def test_without_a_report_the_validation_itself_is_flaky() -> None:
    spec = ValidationSpec(name="e2e", command="run", retries=1)
    result = conclude(spec, [judge_run(spec, ended(1)), judge_run(spec, ended(0))])
    assert (result.state, result.flaky) == (ValidationState.PASSED, ("e2e",))
    assert conclude(spec, [judge_run(spec, ended(1))] * 2).flaky == ()


COMPARED = replace(SPEC, baseline=True)


def test_the_base_tells_what_was_broken_and_what_was_mended() -> None:
    before = run(1, red="failed", dead="error", green="passed", weak="passed", off="skipped")
    now = run(1, red="passed", dead="error", green="failed", weak="passed", off="failed", new="failed")
    result = conclude(COMPARED, [now], [before])
    assert result.state is ValidationState.FAILED
    assert (result.fixed, result.still_failing, result.newly_broken) == (("red",), ("dead",), ("green",))


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (run(1, red="failed", green="passed"), "passed"),  # it was red before
        (run(1, red="failed", green="failed"), "failed"),
        (run(1, red="failed", green="passed", new="failed"), "failed"),
        (run(1, red="passed", green="passed"), "failed"),  # nothing in the report explains the code
        (run(0, red="passed", green="passed"), "passed"),
    ],
)
def test_what_failed_before_accuses_nobody(now: Outcome, state: str) -> None:
    assert conclude(COMPARED, [now], [run(1, red="failed", green="passed")]).state == state


def test_a_failure_that_was_to_be_mended_is_one() -> None:
    spec = replace(SPEC, must_fail_before=True)
    red = run(1, bug="failed")
    assert conclude(spec, [red], [red]).state is ValidationState.FAILED
    mended = conclude(spec, [run(0, bug="passed")], [red])
    assert (mended.state, mended.fixed) == (ValidationState.PASSED, ("bug",))
    empty = conclude(spec, [run(0, bug="passed")], [run(0, bug="passed")])
    assert empty.state is ValidationState.ERRORED
    assert "proves nothing" in (empty.error or "")
    unbuilt = judge_run(SPEC, ended(2), None)
    assert conclude(spec, [run(0, bug="passed")], [unbuilt]).state is ValidationState.PASSED
    lost = conclude(spec, [run(0, bug="passed")], [judge_run(SPEC, None)])
    assert lost.state is ValidationState.ERRORED
    assert "nobody recorded" in (lost.error or "")


def test_what_failed_before_has_to_pass_and_not_to_be_skipped_or_gone() -> None:
    spec = replace(SPEC, must_fail_before=True)
    red = run(1, bug="failed", other="failed", fine="passed")
    for now in (run(0, bug="skipped", other="passed"), run(0, other="passed", fine="passed")):
        result = conclude(spec, [now], [red])
        assert (result.state, result.error) == (
            ValidationState.FAILED,
            "failed on the base, and have not passed now: bug",
        )
    unimported = run(2, module="error")
    assert conclude(spec, [run(0, bug="passed")], [unimported]).state is ValidationState.PASSED


@pytest.mark.parametrize("proof", [True, False])
def test_what_passed_before_and_is_skipped_now_is_broken(proof: bool) -> None:
    spec = replace(COMPARED, must_fail_before=proof)
    red = xml(**{"bug": "failed", "m.one": "passed", "m.two": "passed", "off": "skipped"})
    before = judge_run(SPEC, ended(1), red)
    for skipped, broken in (
        ({"m.one": "skipped", "m.two": "passed"}, ("m.one",)),
        ({"m": "skipped"}, ("m.one", "m.two")),
    ):
        now = judge_run(SPEC, ended(0), xml(**{"bug": "passed", "off": "skipped", **skipped}))
        result = conclude(spec, [now], [before])
        assert (result.state, result.newly_broken) == (ValidationState.FAILED, broken)
        assert "skipped now, and passed on the base: m.one" in (result.error or "")
    moved = judge_run(SPEC, ended(0), xml(**{"bug": "passed", "n.one": "passed", "n.two": "passed"}))
    assert conclude(spec, [moved], [before]).state is ValidationState.PASSED, (
        "a test that was renamed is no loss"
    )


def test_a_base_without_a_verdict_is_named_where_it_matters() -> None:
    lost = judge_run(SPEC, None)
    assert conclude(COMPARED, [run(0, a="passed")], [lost]).state is ValidationState.PASSED
    failed = conclude(COMPARED, [run(1, a="failed")], [lost])
    assert failed.state is ValidationState.FAILED
    assert "cannot be compared" in (failed.error or "")


STATES = st.sampled_from(list(TestState))
OUTCOMES = st.dictionaries(st.sampled_from("abc"), STATES, min_size=1).flatmap(
    lambda tests: st.builds(
        run, st.sampled_from([0, 1]), **{name: st.just(each) for name, each in tests.items()}
    )
)


@given(OUTCOMES, OUTCOMES, st.booleans())
def test_whatever_fails_now_and_passed_before_is_never_accepted(
    now: Outcome, before: Outcome, proof: bool
) -> None:
    spec = replace(COMPARED, must_fail_before=proof)
    result = conclude(spec, [now], [before])
    broken = [
        name
        for name, state in (now.tests or {}).items()
        if state in (FAILED, ERROR) and (before.tests or {}).get(name) not in (FAILED, ERROR)
    ]
    assert not (result.passed and broken)
    assert set(result.fixed).isdisjoint(result.still_failing + result.newly_broken)


@given(st.lists(OUTCOMES, min_size=1, max_size=3))
def test_no_number_of_runs_hides_a_test_that_always_fails(runs: list[Outcome]) -> None:
    merged, flaky = merge(SPEC, runs)
    always: set[Any] = set.intersection(
        *({name for name, state in (each.tests or {}).items() if state in (FAILED, ERROR)} for each in runs)
    )
    assert not (always and merged.state is ValidationState.PASSED)
    assert always.isdisjoint(flaky)
    assert list(itertools.chain(flaky)) == sorted(flaky)
