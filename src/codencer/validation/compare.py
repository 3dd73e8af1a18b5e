"""From the outcomes of all runs of a validation, here and on the base, to its result. Pure.

A test counts as failing when no run on the same tree saw it pass; one that passed and failed is flaky.
With `baseline` what failed on the base already does not fail the validation, unless it has to
have failed there (`must_fail_before`): then it is what was to be mended, and has to pass. A test that passed
on the base and is skipped now is broken: a program can skip the tests of itself.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from codencer.model.task import ValidationSpec
from codencer.model.validation import Outcome, TestCounts, TestState, ValidationResult, ValidationState
from codencer.validation.verdict import FAILING, NOT_EXECUTABLE, NOT_FOUND

MOST_LISTED = 1000
"""Tests named in one list of a result; the reports, which are evidence, name all."""


def merge(spec: ValidationSpec, runs: Sequence[Outcome]) -> tuple[Outcome, tuple[str, ...]]:
    """One outcome of all runs on the same tree, and what is flaky; the last run is the one that counts."""
    last = runs[-1]
    reports = [run.tests for run in runs if run.tests is not None]
    if last.state is ValidationState.ERRORED or len(runs) == 1:
        return last, ()
    if last.tests is None:
        return last, (spec.name,) if last.state is ValidationState.PASSED else ()
    passed = {name for tests in reports for name, state in tests.items() if state is TestState.PASSED}
    failed = {name for tests in reports for name in _failing(tests)}
    flaky = passed & failed
    # What failed and never passed has failed, also when the last run skipped it.
    unmended = dict.fromkeys(failed - passed - _failing(last.tests), TestState.FAILED)
    tests = {
        name: TestState.PASSED if name in flaky else state for name, state in last.tests.items()
    } | unmended
    state = _explained(last, tests, excused=flaky)
    return Outcome(
        state=state, exit_code=last.exit_code, duration_ms=last.duration_ms, error=last.error, tests=tests
    ), _listed(flaky)


def _failing(tests: Mapping[str, TestState]) -> set[str]:
    return {name for name, state in tests.items() if state in FAILING}


def _explained(last: Outcome, tests: Mapping[str, TestState], excused: Iterable[str]) -> ValidationState:
    """Failed, unless every failure of the last run is excused; an exit code needs a failure to explain it."""
    if any(state in FAILING for state in tests.values()):
        return ValidationState.FAILED
    told = {name for name, state in (last.tests or {}).items() if state in FAILING}
    if last.exit_code == 0 or (told and told <= set(excused)):
        return ValidationState.PASSED
    return ValidationState.FAILED


def conclude(
    spec: ValidationSpec,
    runs: Sequence[Outcome],
    baseline: Sequence[Outcome] = (),
    refs: tuple[str | None, str | None] = (None, None),
) -> ValidationResult:
    """Return the result.

    Args:
        runs: on the validated tree, in order; at least one.
        baseline: the same on the base commit; empty when it was not asked for.
        refs: where the output of the last run is.
    """
    now, flaky = merge(spec, runs)
    before = merge(spec, baseline)[0] if baseline else None
    failing, fixed, still, broken = _compared(spec, now, before)
    state, error = now.state, now.error
    if before is not None and state is not ValidationState.ERRORED:
        state, error = _against(spec, now, before, failing - still)
        state, error = _unskipped(state, error, broken - failing)
    return ValidationResult(
        name=spec.name,
        command=spec.command,
        state=state,
        severity=spec.severity,
        exit_code=now.exit_code,
        duration_ms=sum(run.duration_ms for run in runs),
        stdout_ref=refs[0],
        stderr_ref=refs[1],
        tests=_counts(now.tests),
        newly_broken=_listed(broken),
        fixed=_listed(fixed),
        still_failing=_listed(still),
        flaky=flaky,
        error=error,
        passed=state is ValidationState.PASSED,
    )


def _compared(
    spec: ValidationSpec, now: Outcome, before: Outcome | None
) -> tuple[set[str], set[str], set[str], set[str]]:
    """What fails now, and of both sides: fixed, still failing, newly broken (skipped ones as well)."""
    ours, theirs = _states(spec, now), _states(spec, before) if before else {}
    failing, failed = _failing(ours), _failing(theirs)
    passed = {name for name, state in theirs.items() if state is TestState.PASSED}
    mended = {name for name in failed if ours.get(name) is TestState.PASSED}
    return failing, mended, failing & failed, failing & passed | _skipped(ours, passed)


def _skipped(now: Mapping[str, TestState], before: Iterable[str]) -> set[str]:
    """Which of the tests that passed before are skipped now, by themselves or with all of their module."""
    skipped = {name for name, state in now.items() if state is TestState.SKIPPED}
    whole = tuple(f"{name}." for name in skipped)
    return {name for name in before if name in skipped or (name not in now and name.startswith(whole))}


def _states(spec: ValidationSpec, outcome: Outcome) -> Mapping[str, TestState]:
    """Each test, or the validation itself where there is no report."""
    if outcome.tests is not None:
        return outcome.tests
    verdicts = {ValidationState.PASSED: TestState.PASSED, ValidationState.FAILED: TestState.FAILED}
    return {spec.name: verdicts[outcome.state]} if outcome.state in verdicts else {}


def _against(
    spec: ValidationSpec, now: Outcome, before: Outcome, unexcused: set[str]
) -> tuple[ValidationState, str | None]:
    """The state once the base is known."""
    if spec.must_fail_before:
        return _proven(now, before)
    if now.state is ValidationState.FAILED and now.tests is not None and before.tests is not None:
        told = any(state in FAILING for state in now.tests.values())
        if told and not unexcused:
            return ValidationState.PASSED, None
    if now.state is ValidationState.FAILED and before.state is ValidationState.ERRORED:
        return now.state, f"it failed, and with the base it cannot be compared: {before.error}"
    return now.state, now.error


def _unskipped(
    state: ValidationState, error: str | None, skipped: set[str]
) -> tuple[ValidationState, str | None]:
    """Failed instead of passed, where tests that passed on the base are skipped."""
    if state is not ValidationState.PASSED or not skipped:
        return state, error
    return ValidationState.FAILED, f"skipped now, and passed on the base: {_named(skipped)}"


def _proven(now: Outcome, before: Outcome) -> tuple[ValidationState, str | None]:
    if now.state is not ValidationState.PASSED:
        return now.state, now.error
    if _failed(before):
        # One in error may be a module that could not be imported: its tests have other names.
        red = {name for name, state in (before.tests or {}).items() if state is TestState.FAILED}
        open_ = {name for name in red if (now.tests or {}).get(name) is not TestState.PASSED}
        if open_:
            return ValidationState.FAILED, f"failed on the base, and have not passed now: {_named(open_)}"
        return now.state, now.error
    if before.state is ValidationState.PASSED:
        return ValidationState.ERRORED, (
            "it passes on the base as well, so that it passes now proves nothing (must_fail_before)"
        )
    return ValidationState.ERRORED, f"whether it failed on the base is not known: {before.error}"


def _failed(before: Outcome) -> bool:
    """Whether it said no on the base; a build that breaks leaves no report, and says no as well."""
    by_itself = before.exit_code not in (None, 0, NOT_EXECUTABLE, NOT_FOUND)
    return before.state is ValidationState.FAILED or (before.state is ValidationState.ERRORED and by_itself)


def _counts(tests: Mapping[str, TestState] | None) -> TestCounts | None:
    if tests is None:
        return None
    number = Counter(tests.values())
    return TestCounts(
        passed=number[TestState.PASSED],
        failed=number[TestState.FAILED],
        errors=number[TestState.ERROR],
        skipped=number[TestState.SKIPPED],
    )


def _named(names: Iterable[str]) -> str:
    first, *more = sorted(names)
    return f"{first} and {len(more)} more" if more else first


def _listed(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names)[:MOST_LISTED])
