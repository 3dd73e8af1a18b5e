"""What policy may know about an attempt, gathered from the record and the real diff."""

from collections.abc import Sequence

from codencer.globs import Globs
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt, FileChange
from codencer.model.policy import Facts
from codencer.model.step import Step
from codencer.model.task import Severity
from codencer.model.validation import ValidationResult

_EXPECTED = {
    "task.json",
    "environment.json",
    "prompt.txt",
    "stderr.log",
    "transcript.jsonl",
    "diff.patch",
    "changed_files.json",
}
"""What every attempt whose agent ended well leaves as evidence before it is judged."""
_SAID = {"stdout.log", "conversation.log"}
"""One of these, too: what it printed, or what was said."""


def gather(
    step: Step,
    attempt: Attempt,
    changes: Sequence[FileChange] | None,
    results: Sequence[ValidationResult],
    artifacts: Sequence[Artifact],
) -> Facts:
    """Facts of one attempt; `changes` is None when there is no snapshot to compare."""
    snapshot = attempt.snapshot
    names = {artifact.name for artifact in artifacts}
    survivors = attempt.exit.survivors if attempt.exit else ()
    return Facts(
        snapshot_complete=snapshot.complete if snapshot else None,
        changed_files=len(changes) if changes is not None else None,
        forbidden_paths_touched=_forbidden(step, changes),
        paths_outside_scope=_outside(step, changes),
        protected_paths_changed=snapshot.protected_changed if snapshot else None,
        failed_validations=_failed(results, Severity.ERROR),
        failed_warnings=_failed(results, Severity.WARNING),
        survivors=tuple(f"{process.pid} {process.name}" for process in survivors),
        artifacts_complete=names >= _EXPECTED and bool(names & _SAID),
        attempts=attempt.number,
    )


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


def _failed(results: Sequence[ValidationResult], severity: Severity) -> tuple[str, ...]:
    return tuple(each.name for each in results if each.severity is severity and not each.passed)
