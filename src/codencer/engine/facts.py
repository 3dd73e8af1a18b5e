"""What policy may know about an attempt, gathered from the record and the real diff."""

from collections.abc import Sequence

from codencer.globs import Globs
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt, Ending, ErrorKind, FileChange
from codencer.model.launch import ExitReason
from codencer.model.policy import Facts
from codencer.model.step import Step
from codencer.model.task import Severity
from codencer.model.validation import ValidationResult

_ALWAYS = {"task.json", "environment.json"}
_OF_A_SNAPSHOT = {"diff.patch", "changed_files.json"}
_OF_AN_AGENT = {"prompt.txt", "stdout.log", "stderr.log", "transcript.jsonl"}
"""What an attempt leaves as evidence before it is judged, by how far it came."""


def gather(
    step: Step,
    attempt: Attempt,
    changes: Sequence[FileChange] | None,
    results: Sequence[ValidationResult],
    artifacts: Sequence[Artifact],
    before: Sequence[Attempt] = (),
) -> Facts:
    """Facts of one attempt.

    Args:
        changes: None when there is no snapshot to compare.
        before: earlier attempts since a person last asked for the step.
    """
    snapshot, outcome = attempt.snapshot, attempt.outcome
    survivors = attempt.exit.survivors if attempt.exit else ()
    ending = outcome.ending if outcome else Ending.UNPREPARED
    return Facts(
        snapshot_complete=snapshot.complete if snapshot else None,
        changed_files=len(changes) if changes is not None else None,
        forbidden_paths_touched=_forbidden(step, changes),
        paths_outside_scope=_outside(step, changes),
        protected_paths_changed=snapshot.protected_changed if snapshot else None,
        failed_validations=_failed(results, Severity.ERROR, ending),
        failed_warnings=_failed(results, Severity.WARNING, ending),
        survivors=tuple(f"{process.pid} {process.name}" for process in survivors),
        artifacts_complete={artifact.name for artifact in artifacts} >= _expected(attempt),
        attempts=attempt.tries,
        timeouts=sum(_timed_out(each) for each in (*before, attempt)),
        ending=ending,
        error_kind=outcome.error_kind if outcome else ErrorKind.NONE,
    )


def _timed_out(attempt: Attempt) -> bool:
    return attempt.outcome is not None and attempt.outcome.ending is Ending.TIMED_OUT


def _expected(attempt: Attempt) -> set[str]:
    expected = _ALWAYS | (_OF_A_SNAPSHOT if attempt.snapshot else set())
    ran = attempt.exit is not None and attempt.exit.reason is not ExitReason.NOT_STARTED
    if ran or (attempt.outcome is not None and attempt.outcome.ending is Ending.SUCCEEDED):
        expected |= _OF_AN_AGENT | _OF_A_SNAPSHOT
    return expected


def _touched(changes: Sequence[FileChange]) -> list[str]:
    """Every path a change concerns: a rename touches where it came from, too."""
    paths = (path for change in changes for path in (change.old_path, change.path))
    return [path for path in dict.fromkeys(paths) if path is not None]


def _forbidden(step: Step, changes: Sequence[FileChange] | None) -> tuple[str, ...] | None:
    if changes is None:
        return None
    globs = Globs(step.task.forbidden_paths)
    return tuple(path for path in _touched(changes) if globs.matches(path))


def _outside(step: Step, changes: Sequence[FileChange] | None) -> tuple[str, ...] | None:
    """Changed paths that no allowed glob matches; without allowed globs all are inside."""
    if changes is None:
        return None
    if not step.task.allowed_paths:
        return ()
    globs = Globs(step.task.allowed_paths)
    return tuple(path for path in _touched(changes) if not globs.matches(path))


def _failed(results: Sequence[ValidationResult], severity: Severity, ending: Ending) -> tuple[str, ...]:
    """Names of the validations that did not pass; what an agent that ended badly left is not judged."""
    judged = results if ending is Ending.SUCCEEDED else ()
    return tuple(each.name for each in judged if each.severity is severity and not each.passed)
