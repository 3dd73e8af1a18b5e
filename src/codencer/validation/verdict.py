"""From the exit record and the report of one run to its outcome.

Passed means exactly one thing: the command ended by itself with exit code 0 and, where a report is asked
for, left one in which something was tested and nothing failed. Failed means it ended by itself and said
no. Everything else is errored, with the reason in words.
"""

from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.task import ValidationSpec
from codencer.model.validation import Outcome, TestState, ValidationState
from codencer.validation.check import report_path
from codencer.validation.report import Unreadable, read_report

NOT_EXECUTABLE, NOT_FOUND = 126, 127
"""How a shell says that it could not start the command of its line (POSIX.1, Shell, 2.8.2)."""
FAILING = frozenset({TestState.FAILED, TestState.ERROR})

Conclusion = tuple[ValidationState, str | None]


def judge_run(spec: ValidationSpec, exit: ExitRecord | None, report: bytes | None = None) -> Outcome:
    """Return what one run said.

    Args:
        exit: None when nobody recorded how the command ended.
        report: the file that `spec.report` names, written by this run; None when there is none.
    """
    state, error = _judge(spec, exit)
    tests: dict[str, TestState] | None = None
    if report_path(spec) is not None and state is not ValidationState.ERRORED:
        state, error, tests = _with_report(spec, state, report)
    return Outcome(
        state=state,
        exit_code=exit.code if exit else None,
        duration_ms=exit.duration_us // 1000 if exit else 0,
        error=error,
        tests=tests,
    )


def _with_report(
    spec: ValidationSpec, state: ValidationState, report: bytes | None
) -> tuple[ValidationState, str | None, dict[str, TestState] | None]:
    path = report_path(spec)
    if report is None:
        return (*_errored(f"it left no report at {path}; its output says why"), None)
    try:
        tests = read_report(report)
    except Unreadable as problem:
        return (*_errored(f"its report at {path} cannot be used: {problem}"), None)
    if state is ValidationState.PASSED and set(tests.values()) == {TestState.SKIPPED}:
        return (*_errored(f"every test in its report at {path} was skipped: nothing was tested"), tests)
    failing = any(each in FAILING for each in tests.values())
    return ValidationState.FAILED if failing else state, None, tests


def _judge(spec: ValidationSpec, exit: ExitRecord | None) -> Conclusion:
    if exit is None:
        return _errored("nobody recorded how it ended: its supervisor was killed or the machine went down")
    if exit.reason is not ExitReason.EXITED:
        return _errored(_why_not_by_itself(spec, exit))
    if exit.signal is not None:
        return _errored(f"it was killed by signal {exit.signal}")
    if exit.code is None:
        return _errored("it ended without an exit code")
    if exit.code == 0:
        return ValidationState.PASSED, None
    if isinstance(spec.command, str) and exit.code in (NOT_EXECUTABLE, NOT_FOUND):
        what = "command not found" if exit.code == NOT_FOUND else "command not executable"
        return _errored(
            f"{what} (exit code {exit.code}): {spec.command!r}. Check that it is installed where the "
            "daemon runs, or made by the post_create hook; its error output says which one is missing"
        )
    return ValidationState.FAILED, None


def _errored(error: str) -> Conclusion:
    return ValidationState.ERRORED, error


def _why_not_by_itself(spec: ValidationSpec, exit: ExitRecord) -> str:
    if exit.reason is ExitReason.TIMEOUT:
        return (
            f"it was stopped at its limit of {spec.timeout_seconds} s; raise timeout_seconds if it needs more"
        )
    if exit.reason is ExitReason.IDLE_TIMEOUT:
        return "it was stopped because it printed nothing for too long"
    if exit.reason is ExitReason.OUTPUT_LIMIT:
        return "it was stopped because it printed more than max_output_bytes"
    if exit.reason is ExitReason.MEMORY_LIMIT:
        return f"it was stopped because {exit.error}"
    if exit.reason is ExitReason.NOT_STARTED:
        return (
            f"it could not be started: {exit.error or 'no reason was recorded'}. "
            "Check that the program exists on PATH or in the repository and is executable"
        )
    return "it was stopped before it ended"
