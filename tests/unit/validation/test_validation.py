"""A validation passes when its command ended by itself with code 0, and in no other case."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.errors import InvalidInput
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.task import Severity, ValidationSpec
from codencer.model.validation import ValidationState
from codencer.validation import check_spec, conclude, judge_run, launch, report_path

# A busy machine is not a failure.
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

LINE = ValidationSpec(name="unit", command="pytest -q && echo 'a b'", env={"A": "1"}, timeout_seconds=7)
LIST = ValidationSpec(name="unit", command=("pytest", "a b"), severity=Severity.WARNING)


def test_a_line_goes_to_the_shell_whole_and_a_list_is_taken_as_it_is() -> None:
    assert launch(LINE).argv == ("/bin/sh", "-c", "pytest -q && echo 'a b'")
    assert launch(LINE).env == {"A": "1"}
    assert launch(LIST).argv == ("pytest", "a b")
    assert launch(LIST).stdin == b""
    assert launch(LIST).env_names == ()


def test_a_report_has_to_be_a_file_in_the_checkout() -> None:
    for spec in (LINE, replace(LINE, report="junit:out/report.xml")):
        check_spec(spec)
    assert report_path(LINE) is None
    assert str(report_path(replace(LINE, report="junit:out/report.xml"))) == "out/report.xml"


@pytest.mark.parametrize(
    "report", ["", "xml", "junit", "junit:", "junit:/etc/x", "junit:../x", "junit:a/../../x", "junit:.git/x"]
)
def test_another_report_is_refused(report: str) -> None:
    with pytest.raises(InvalidInput, match="report"):
        check_spec(replace(LINE, report=report))


def ended(code: int) -> ExitRecord:
    return ExitRecord(reason=ExitReason.EXITED, code=code, duration_us=1_234_567)


def test_code_0_passes() -> None:
    result = conclude(LINE, [judge_run(LINE, ended(0))], refs=("v/stdout", "v/stderr"))
    assert result.state is ValidationState.PASSED
    assert result.passed
    assert (result.name, result.command, result.severity) == ("unit", LINE.command, Severity.ERROR)
    assert (result.exit_code, result.duration_ms, result.error) == (0, 1234, None)
    assert (result.stdout_ref, result.stderr_ref) == ("v/stdout", "v/stderr")


def test_another_code_fails() -> None:
    result = conclude(LIST, [judge_run(LIST, ended(1))])
    assert result.state is ValidationState.FAILED
    assert (result.passed, result.exit_code, result.error) == (False, 1, None)
    assert result.severity is Severity.WARNING


ERRORED: list[tuple[ValidationSpec, ExitRecord | None, str]] = [
    (LINE, ended(127), "command not found (exit code 127)"),
    (LINE, ended(126), "command not executable (exit code 126)"),
    (LINE, ExitRecord(reason=ExitReason.EXITED, signal=11), "killed by signal 11"),
    (LINE, ExitRecord(reason=ExitReason.EXITED), "without an exit code"),
    (LINE, ExitRecord(reason=ExitReason.TIMEOUT, code=0), "limit of 7 s; raise timeout_seconds"),
    (LINE, ExitRecord(reason=ExitReason.IDLE_TIMEOUT, code=0), "printed nothing"),
    (LINE, ExitRecord(reason=ExitReason.OUTPUT_LIMIT, code=0), "max_output_bytes"),
    (LINE, ExitRecord(reason=ExitReason.MEMORY_LIMIT, error="it was too big"), "because it was too big"),
    (LINE, ExitRecord(reason=ExitReason.STOPPED, code=0), "stopped before it ended"),
    (LIST, ExitRecord(reason=ExitReason.NOT_STARTED, error="ENOENT pytest"), "not be started: ENOENT pytest"),
    (LIST, None, "nobody recorded how it ended"),
]


@pytest.mark.parametrize(("spec", "exit", "error"), ERRORED)
def test_without_a_verdict_it_has_errored(spec: ValidationSpec, exit: ExitRecord | None, error: str) -> None:
    result = conclude(spec, [judge_run(spec, exit)])
    assert result.state is ValidationState.ERRORED
    assert not result.passed
    assert error in (result.error or "")


def test_127_of_a_list_is_the_programs_own_verdict() -> None:
    assert conclude(LIST, [judge_run(LIST, ended(127))]).state is ValidationState.FAILED


records = st.none() | st.builds(
    ExitRecord,
    reason=st.sampled_from(ExitReason),
    code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
)


@steady
@given(st.sampled_from([LINE, LIST]), records)
def test_passed_means_ended_by_itself_with_code_0(spec: ValidationSpec, exit: ExitRecord | None) -> None:
    result = conclude(spec, [judge_run(spec, exit)])
    clean = exit is not None and (exit.reason, exit.code, exit.signal) == (ExitReason.EXITED, 0, None)
    assert result.passed is clean
    assert (result.state is ValidationState.PASSED) is clean
    assert (result.state is ValidationState.ERRORED) is (result.error is not None)
