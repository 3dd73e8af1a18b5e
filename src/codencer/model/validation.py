"""What one validation said about a validated tree."""

from dataclasses import dataclass, field
from enum import StrEnum

from codencer.model.task import Severity


class ValidationState(StrEnum):
    NOT_RUN = "not_run"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    SKIPPED = "skipped"


class TestState(StrEnum):
    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run of a validation's command on one tree; `tests` is None without a report."""

    state: ValidationState
    exit_code: int | None = None
    duration_ms: int = 0
    error: str | None = None
    tests: dict[str, TestState] | None = field(default=None)


@dataclass(frozen=True, kw_only=True)
class TestCounts:
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """`errored` means the command could not give a verdict; it is never `passed`."""

    name: str
    command: str | tuple[str, ...]
    state: ValidationState
    severity: Severity = Severity.ERROR
    exit_code: int | None = None
    duration_ms: int = 0
    stdout_ref: str | None = None
    """Path of its output."""
    stderr_ref: str | None = None
    tests: TestCounts | None = None
    newly_broken: tuple[str, ...] = ()
    """Tests that passed on the base and fail now."""
    fixed: tuple[str, ...] = ()
    """Tests that failed on the base and pass now."""
    still_failing: tuple[str, ...] = ()
    """Tests that failed on the base and still do."""
    flaky: tuple[str, ...] = ()
    """Tests that passed and failed on the same tree."""
    error: str | None = None
    """Why it could not give a verdict."""
    passed: bool = False
