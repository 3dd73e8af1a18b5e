"""From the exit record of a validation's command to its result.

Passed means exactly one thing: the command ended by itself with exit code 0. Failed means it
ended by itself and said no. Everything else is errored, with the reason in words.
"""

from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.task import ValidationSpec
from codencer.model.validation import ValidationResult, ValidationState

NOT_EXECUTABLE, NOT_FOUND = 126, 127
"""How a shell says that it could not start the command of its line (POSIX.1, Shell, 2.8.2)."""

Conclusion = tuple[ValidationState, str | None]


def conclude(
    spec: ValidationSpec,
    exit: ExitRecord | None,
    stdout_ref: str | None = None,
    stderr_ref: str | None = None,
) -> ValidationResult:
    """Return the result; `exit` is None when nobody recorded how the command ended."""
    state, error = _judge(spec, exit)
    return ValidationResult(
        name=spec.name,
        command=spec.command,
        state=state,
        severity=spec.severity,
        exit_code=exit.code if exit else None,
        duration_ms=exit.duration_us // 1000 if exit else 0,
        stdout_ref=stdout_ref,
        stderr_ref=stderr_ref,
        error=error,
        passed=state is ValidationState.PASSED,
    )


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
