"""What the record and the evidence have of an attempt that is to be judged, and the facts in it.

The same for an attempt that settles now and for one that somebody asks about years later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from codencer.engine.facts import Material, gather
from codencer.engine.result import read_changes
from codencer.engine.retrying import earlier
from codencer.engine.rooms import Rooms
from codencer.engine.validate import not_run
from codencer.errors import NotFound
from codencer.ledger import Queries
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt, Ending, FileChange
from codencer.model.policy import Facts, Policy
from codencer.model.step import Step
from codencer.model.validation import ValidationResult
from codencer.workspace.diff import largest_file
from codencer.workspace.links import leading_out
from codencer.workspace.validated import ignores_case

JUDGED = frozenset({Ending.BROKEN, Ending.TIMED_OUT, Ending.DECLINED, Ending.HALTED, Ending.SUCCEEDED})
"""Endings that policy is asked about: each but those that say nothing of the agent or its work."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the ledger has of an attempt that is to be judged."""

    step: Step
    attempt: Attempt
    artifacts: list[Artifact]
    results: list[ValidationResult]
    before: list[Attempt]


def known_of(queries: Queries, step: Step, attempt: Attempt) -> Known:
    """What is in the record about an attempt whose agent has ended."""
    done = queries.validations(attempt.id)
    return Known(
        step=step,
        attempt=attempt,
        artifacts=queries.artifacts(attempt.id),
        results=done + [not_run(spec) for spec in step.task.validations[len(done) :]],
        before=earlier(queries.attempts(step.id), attempt),
    )


def facts_of(rooms: Rooms, policy: Policy, known: Known) -> tuple[Sequence[FileChange] | None, Facts]:
    """The changes of an attempt and the facts that a policy gets; reads evidence, and git where it must."""
    step, attempt, snapshot = known.step, known.attempt, known.attempt.snapshot
    changes = read_changes(rooms.artifacts, known.artifacts)
    base = step.base.commit
    largest = leading = None
    if base is not None and snapshot is not None:
        largest = partial(largest_file, rooms.store, base, snapshot.tree)
        leading = partial(leading_out, rooms.store, base, snapshot.tree)
    material = Material(
        step=step,
        attempt=attempt,
        policy=policy,
        changes=changes,
        results=known.results,
        artifacts=known.artifacts,
        before=known.before,
        patch=_patch(rooms, known.artifacts),
        largest=largest,
        leading_out=leading,
        ignore_case=ignores_case(rooms.store),
    )
    return changes, gather(material)


def _patch(rooms: Rooms, artifacts: Sequence[Artifact]) -> Path | None:
    """The patch in the evidence; None when there is none, or it is not there any more."""
    found = next((each for each in artifacts if each.name == "diff.patch"), None)
    try:
        return rooms.artifacts.path(found) if found is not None else None
    except NotFound:
        return None
