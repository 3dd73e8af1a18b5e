"""From what is known of an attempt to the facts about it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from codencer.engine.facts.content import Content, read_content
from codencer.engine.facts.kinds import is_ci, is_dependency, is_generated, is_migration
from codencer.engine.facts.spending import spent
from codencer.engine.scope import Scope
from codencer.errors import CodencerError
from codencer.globs import Globs
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt, Ending, ErrorKind, FileChange
from codencer.model.launch import ExitReason
from codencer.model.policy import Facts, Policy
from codencer.model.step import Step
from codencer.model.task import Severity
from codencer.model.validation import ValidationResult
from codencer.policy import globs_of, wanted

MOST_NAMED: Final = 1000
"""Paths that a fact keeps of a longer list; the artifact `changed_files.json` has all of them."""
_SYMLINK, _GITLINK, _FILES = "120000", "160000", frozenset({"100644", "100755"})

_ALWAYS = {"task.json", "environment.json"}
_OF_A_SNAPSHOT = {"diff.patch", "changed_files.json"}
_OF_AN_AGENT = {"prompt.txt", "stdout.log", "stderr.log", "transcript.jsonl"}
"""What an attempt leaves as evidence before it is judged, by how far it came."""
_INSTEAD = {"conversation.log": "stdout.log"}
"""Of an agent that was spoken with."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """Where the facts of one attempt come from.

    `changes` is None when there is no snapshot to compare, `patch` when its file is gone. `before` are the
    earlier attempts since a person last asked for the step. `largest` asks git for the size of the
    largest file that was changed or added, in bytes, and `leading_out` for the links that lead out of the
    repository. `ignore_case`: the user's file system does not tell letters of another case apart.
    """

    step: Step
    attempt: Attempt
    policy: Policy
    changes: Sequence[FileChange] | None
    results: Sequence[ValidationResult]
    artifacts: Sequence[Artifact]
    before: Sequence[Attempt] = ()
    patch: Path | None = None
    largest: Callable[[], int] | None = None
    leading_out: Callable[[], Sequence[str]] | None = None
    ignore_case: bool = False


def gather(material: Material) -> Facts:
    """The facts that every policy gets, and those that this one has a key for. May take seconds."""
    step, attempt, changes = material.step, material.attempt, material.changes
    snapshot, outcome = attempt.snapshot, attempt.outcome
    names = {_INSTEAD.get(artifact.name, artifact.name) for artifact in material.artifacts}
    ending = outcome.ending if outcome else Ending.UNPREPARED
    asked = wanted(material.policy)
    content = _content(material) if asked & {"secrets", "conflict_markers"} else None
    used = spent((*material.before, attempt))
    scope = Scope(step.task, ignore_case=material.ignore_case)
    return Facts(
        snapshot_complete=snapshot.complete if snapshot else None,
        changed_files=len(changes) if changes is not None else None,
        forbidden_paths_touched=_touching(changes, scope.forbids),
        paths_outside_scope=_outside_scope(material, scope),
        protected_paths_changed=_named(snapshot.protected_changed) if snapshot else None,
        failed_validations=_failed(material.results, Severity.ERROR, ending),
        failed_warnings=_failed(material.results, Severity.WARNING, ending),
        survivors=tuple(
            f"{each.pid} {each.name}" for each in (attempt.exit.survivors if attempt.exit else ())
        ),
        artifacts_complete=names >= _expected(attempt),
        attempts=attempt.tries,
        timeouts=sum(_timed_out(each) for each in (*material.before, attempt)),
        ending=ending,
        error_kind=outcome.error_kind if outcome else ErrorKind.NONE,
        questions=outcome.questions if outcome else (),
        cost_microusd=used.cost_microusd,
        tokens=used.tokens,
        agent_ms=used.agent_ms,
        changed_lines=_lines(changes),
        deleted_files=_count(changes, lambda change: change.status == "D"),
        dependency_files=_touching(changes, is_dependency),
        migrations=_touching(changes, is_migration),
        ci_files=_touching(changes, is_ci),
        generated_files=_touching(changes, is_generated),
        binaries=_where(changes, _is_binary),
        symlinks=_where(changes, lambda change: _SYMLINK in (change.old_mode, change.new_mode)),
        modes_changed=_where(changes, _has_other_mode),
        submodules=_where(changes, lambda change: _GITLINK in (change.old_mode, change.new_mode)),
        matched_paths=_matching(material, globs_of(material.policy)) if "matched_paths" in asked else None,
        secrets=content.secrets if content else None,
        conflict_markers=content.conflict_markers if content else None,
        largest_file_bytes=_largest(material) if "largest_file_bytes" in asked else None,
        halt=attempt.halt.cause if attempt.halt and ending is Ending.HALTED else None,
    )


def _named(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(paths)[:MOST_NAMED]


def _touching(changes: Sequence[FileChange] | None, fits: Callable[[str], bool]) -> tuple[str, ...] | None:
    """Every path of a change that fits: a rename touches where it came from, too."""
    if changes is None:
        return None
    paths = (path for change in changes for path in (change.old_path, change.path) if path is not None)
    return _named(path for path in dict.fromkeys(paths) if fits(path))


def _where(
    changes: Sequence[FileChange] | None, fits: Callable[[FileChange], bool]
) -> tuple[str, ...] | None:
    return None if changes is None else _named(change.path for change in changes if fits(change))


def _count(changes: Sequence[FileChange] | None, fits: Callable[[FileChange], bool]) -> int | None:
    return None if changes is None else sum(map(fits, changes))


def _lines(changes: Sequence[FileChange] | None) -> int | None:
    if changes is None:
        return None
    return sum((change.additions or 0) + (change.deletions or 0) for change in changes)


def _is_binary(change: FileChange) -> bool:
    return change.additions is None and _GITLINK not in (change.old_mode, change.new_mode)


def _has_other_mode(change: FileChange) -> bool:
    """Whether a file became executable, or is no longer, or was added as a program."""
    before, after = change.old_mode, change.new_mode
    changed = before != after and {before, after} <= _FILES
    return changed or (change.status == "A" and after == "100755")


def _outside_scope(material: Material, scope: Scope) -> tuple[str, ...] | None:
    """Paths that nobody allowed; nobody can allow a link that leads out of the repository."""
    changes = material.changes
    paths = _touching(changes, scope.leaves_out)
    if paths is None or changes is None or not any(change.new_mode == _SYMLINK for change in changes):
        return paths
    try:
        return None if material.leading_out is None else _named((*paths, *material.leading_out()))
    except CodencerError:
        return None


def _matching(material: Material, globs: Sequence[str]) -> tuple[str, ...] | None:
    return _touching(material.changes, Globs(globs, ignore_case=material.ignore_case).matches)


def _content(material: Material) -> Content | None:
    """What was added; unknown when the patch is too long, or is not there any more."""
    if material.patch is None:
        return None
    try:
        return read_content(material.patch)
    except OSError:
        return None


def _largest(material: Material) -> int | None:
    if material.changes is None or material.largest is None:
        return None
    try:
        return material.largest()
    except CodencerError:
        return None


def _timed_out(attempt: Attempt) -> bool:
    return attempt.outcome is not None and attempt.outcome.ending is Ending.TIMED_OUT


def _expected(attempt: Attempt) -> set[str]:
    expected = _ALWAYS | (_OF_A_SNAPSHOT if attempt.snapshot else set())
    ran = attempt.exit is not None and attempt.exit.reason is not ExitReason.NOT_STARTED
    if ran or (attempt.outcome is not None and attempt.outcome.ending is Ending.SUCCEEDED):
        expected |= _OF_AN_AGENT | _OF_A_SNAPSHOT
    return expected


def _failed(results: Sequence[ValidationResult], severity: Severity, ending: Ending) -> tuple[str, ...]:
    """Names of the validations that did not pass; what an agent that ended badly left is not judged."""
    judged = results if ending is Ending.SUCCEEDED else ()
    return tuple(each.name for each in judged if each.severity is severity and not each.passed)
