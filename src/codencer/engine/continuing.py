"""How an attempt takes up what an earlier one of its step left: its conversation, or a report of it.

A conversation goes on only where its agent can find it: by the same adapter, in the same home, under
the name that the agent gave it. Of validations that are hidden from the agent nothing is passed on.
"""

import asyncio
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codencer.adapters.before import NOTHING, OUTPUT_CHARACTERS, Before, Continuation, FailedCheck
from codencer.engine.result import read_changes
from codencer.engine.rooms import Trip
from codencer.errors import CodencerError
from codencer.ledger import ArtifactStore, Queries
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt, Ending, FileChange
from codencer.model.launch import ExitReason
from codencer.model.ports import Adapter
from codencer.model.step import SUCCESSFUL_STATES
from codencer.model.task import Severity, ValidationSpec
from codencer.model.validation import ValidationResult, ValidationState

_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}\Z")
"""What may be passed on to a command line: an agent chose it, and it must not look like an option."""
TESTS_NAMED = 10
_PASSED = frozenset({ValidationState.PASSED, ValidationState.NOT_RUN, ValidationState.SKIPPED})


@dataclass(frozen=True, kw_only=True)
class _Earlier:
    attempt: Attempt
    results: Sequence[ValidationResult]
    artifacts: Mapping[str, Artifact]


async def take_up(trip: Trip, adapter: Adapter) -> Continuation:
    """What the step's earlier attempts mean for this one; the same whenever it is asked."""

    def read(queries: Queries) -> tuple[_Earlier, _Earlier] | None:
        earlier = [each for each in queries.attempts(trip.step.id) if each.number < trip.attempt.number]
        ran = [each for each in earlier if _ran(each)]
        if not ran:
            return None
        told = next((each for each in reversed(ran) if _left_something(each)), ran[-1])
        return _earlier(queries, ran[-1]), _earlier(queries, told)

    if trip.attempt.number == 1:
        return NOTHING
    found = await trip.rooms.ledger.read(read)
    if found is None:
        return NOTHING
    return await asyncio.to_thread(_continuation, trip, adapter, *found)


def _earlier(queries: Queries, attempt: Attempt) -> _Earlier:
    artifacts = {each.name: each for each in queries.artifacts(attempt.id)}
    return _Earlier(attempt=attempt, results=queries.validations(attempt.id), artifacts=artifacts)


def _ran(attempt: Attempt) -> bool:
    """Whether its agent was started at all."""
    started = attempt.exit is None or attempt.exit.reason is not ExitReason.NOT_STARTED
    return attempt.launch is not None and attempt.outcome is not None and started


def _left_something(attempt: Attempt) -> bool:
    """Whether there is more to tell of it than that its agent failed."""
    changed = attempt.snapshot is not None and attempt.snapshot.files_changed > 0
    return changed or (attempt.outcome is not None and attempt.outcome.ending is not Ending.BROKEN)


def _continuation(trip: Trip, adapter: Adapter, newest: _Earlier, told: _Earlier) -> Continuation:
    """Who remembers is told of the newest attempt, others of the newest that left something."""
    outcome = newest.attempt.outcome
    session = outcome.session_id if outcome is not None else None
    goes_on = (
        session is not None
        and _SESSION.match(session) is not None
        and newest.attempt.adapter == trip.attempt.adapter
        and adapter.resumes
        and _home(trip.rooms.artifacts, newest.artifacts) == home_kind(adapter)
    )
    if goes_on:
        return Continuation(before=_before(trip, newest), session_id=session)
    return Continuation(before=_before(trip, told))


def home_kind(adapter: Adapter) -> str:
    """Whose home folder the agent gets, as evidence says it: the step's own, or the user's."""
    return "step" if adapter.settings.isolated_home else "user"


def _home(store: ArtifactStore, artifacts: Mapping[str, Artifact]) -> str | None:
    """Whose home the agent of an earlier attempt had, by its evidence."""
    try:
        document = json.loads(_read(store, artifacts, "environment.json", 1024 * 1024) or "null")
        home = document["agent"]["home"]
    except (ValueError, KeyError, TypeError):
        return None
    return home if isinstance(home, str) else None


def _before(trip: Trip, told: _Earlier) -> Before:
    attempt, store = told.attempt, trip.rooms.artifacts
    changes = _changes(store, told.artifacts)
    failed, hidden = _failed(trip, told)
    outcome, state = attempt.outcome, attempt.result_state
    # The summary of a success is the agent's own words. Others name every validation that did not pass,
    # so they are left out where a hidden one is among them.
    reason = "" if hidden or state in SUCCESSFUL_STATES else attempt.summary
    return Before(
        number=attempt.number,
        verdict="not accepted" if hidden and not failed else str(state or "unfinished"),
        reason=reason,
        said=outcome.summary if outcome is not None else "",
        changed=tuple(f"{each.status} {each.path}" for each in changes),
        changes=len(changes),
        failed=failed,
        kept=trip.attempt.begins_at is not None,
    )


def _changes(store: ArtifactStore, artifacts: Mapping[str, Artifact]) -> Sequence[FileChange]:
    try:
        return read_changes(store, list(artifacts.values())) or ()
    except (CodencerError, OSError, ValueError):
        return ()  # evidence that is gone: less is told


def _failed(trip: Trip, told: _Earlier) -> tuple[tuple[FailedCheck, ...], bool]:
    """The validations that may be told and did not pass, and whether a hidden one did not."""
    failed: list[FailedCheck] = []
    hidden = False
    for spec, result in zip(trip.step.task.validations, told.results, strict=False):
        if result.state in _PASSED:
            continue
        if spec.hidden:
            hidden = True
            continue
        failed.append(
            FailedCheck(
                name=spec.name,
                command=spec.command if isinstance(spec.command, str) else shlex.join(spec.command),
                how=_how(spec, result),
                output=_output(trip.rooms.artifacts, told, result),
            )
        )
    return tuple(failed), hidden


def _how(spec: ValidationSpec, result: ValidationResult) -> str:
    """What a validation said, in one line."""
    warning = " (only a warning)" if spec.severity is Severity.WARNING else ""
    parts = [f"{result.state}{warning}: {result.error or f'exit code {result.exit_code}'}"]
    for words, tests in (("newly broken", result.newly_broken), ("still failing", result.still_failing)):
        if tests:
            more = f" and {len(tests) - TESTS_NAMED} more" if len(tests) > TESTS_NAMED else ""
            parts.append(f"{words}: {', '.join(tests[:TESTS_NAMED])}{more}")
    return "; ".join(parts)


def _output(store: ArtifactStore, told: _Earlier, result: ValidationResult) -> str:
    """The end of what a validation printed; its errors last."""
    names = {each.path: name for name, each in told.artifacts.items()}
    wanted = [names[ref] for ref in (result.stdout_ref, result.stderr_ref) if ref in names]
    parts = (_read(store, told.artifacts, name, -OUTPUT_CHARACTERS) for name in wanted)
    return "\n".join(text for part in parts if (text := part.decode("utf-8", "replace").strip("\n")))


def _read(store: ArtifactStore, artifacts: Mapping[str, Artifact], name: str, size: int) -> bytes:
    """The first bytes of an artifact, or its last with a negative size; none when it is gone."""
    if name not in artifacts:
        return b""
    try:
        path: Path = store.path(artifacts[name])
        with path.open("rb") as file:
            if size < 0:
                file.seek(max(0, file.seek(0, 2) + size))
            return file.read(abs(size))
    except (CodencerError, OSError):
        return b""
