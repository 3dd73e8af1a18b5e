"""Reading the record: one method per question, each a statement of queries.sql.

Results are frozen dataclasses of the model; nothing here changes anything. Names of runs and
steps are matched ignoring case, as they are unique ignoring case.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import apsw

from codencer.ledger.connection import translated
from codencer.ledger.rows import build, nested
from codencer.ledger.statements import QUERIES
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt
from codencer.model.event import Event
from codencer.model.gate import Gate, GateState
from codencer.model.ids import IdKind
from codencer.model.question import AgentQuestion
from codencer.model.run import Run, RunState
from codencer.model.step import SETTLED_STATES, Step, StepState
from codencer.model.validation import ValidationResult

_UNSETTLED = json.dumps(sorted(set(StepState) - SETTLED_STATES))
_SEARCHED = frozenset({IdKind.STEP, IdKind.ATTEMPT, IdKind.GATE, IdKind.ARTIFACT, IdKind.QUESTION})

Record = dict[str, object]
Binding = str | int | None


class Queries:
    """Questions to the record as of one moment: one transaction of one connection."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def run(self, run_id: str) -> Run | None:
        row = self._one("run", id=run_id, unsettled=_UNSETTLED)
        return _run(row) if row else None

    def runs(
        self,
        *,
        project: str | None = None,
        conversation: str | None = None,
        state: RunState | None = None,
    ) -> list[Run]:
        """Runs in order of creation; a label that is given must be equal."""
        rows = self._all(
            "runs", project=project, conversation=conversation, state=state, unsettled=_UNSETTLED
        )
        return [_run(row) for row in rows]

    def step(self, step_id: str) -> Step | None:
        row = self._one("step", id=step_id)
        return build(Step, row) if row else None

    def step_named(self, run_id: str, name: str) -> Step | None:
        row = self._one("step_named", run_id=run_id, name=name)
        return build(Step, row) if row else None

    def step_by_key(self, run_id: str, key: str) -> tuple[Step, str] | None:
        """The step submitted with this idempotency key, and the digest of its request."""
        row = self._one("step_by_key", run_id=run_id, key=key)
        return (build(Step, row), str(row["request_digest"] or "")) if row else None

    def steps(self, run_id: str) -> list[Step]:
        """Steps of a run in order of submission."""
        return [build(Step, row) for row in self._all("steps", run_id=run_id)]

    def pending_steps(self) -> list[Step]:
        """Steps of all runs in state `pending`, in order of submission."""
        return [build(Step, row) for row in self._all("pending_steps")]

    def tried_again_steps(self) -> list[Step]:
        """Steps of all runs that wait for an attempt policy has planned, in order of submission."""
        return [build(Step, row) for row in self._all("tried_again_steps")]

    def attempt(self, attempt_id: str) -> Attempt | None:
        row = self._one("attempt", id=attempt_id)
        return build(Attempt, row) if row else None

    def attempts(self, step_id: str) -> list[Attempt]:
        """Attempts of a step by number."""
        return [build(Attempt, row) for row in self._all("attempts", step_id=step_id)]

    def attempts_of_run(self, run_id: str) -> list[Attempt]:
        """Attempts of all steps of a run, oldest first."""
        return [build(Attempt, row) for row in self._all("attempts_of_run", run_id=run_id)]

    def unfinished_attempts(self) -> list[Attempt]:
        """Attempts that have not ended, oldest first."""
        return [build(Attempt, row) for row in self._all("unfinished_attempts")]

    def unreleased_attempts(self) -> list[Attempt]:
        """Attempts that have ended with a snapshot and still have their workspace, oldest first."""
        return [build(Attempt, row) for row in self._all("unreleased_attempts")]

    def unsettled_steps(self) -> list[Step]:
        """Steps of all runs for which the bridge has something left to do, oldest first."""
        return [build(Step, row) for row in self._all("unsettled_steps", unsettled=_UNSETTLED)]

    def attempts_with_snapshot(self) -> list[Attempt]:
        """Attempts of all steps whose work was snapshotted, oldest first."""
        return [build(Attempt, row) for row in self._all("attempts_with_snapshot")]

    def bases(self) -> dict[str, list[tuple[str, bool]]]:
        """Every base commit, with the steps that begin there and whether each is settled."""
        found: dict[str, list[tuple[str, bool]]] = {}
        for row in self._all("bases"):
            settled = StepState(str(row["state"])) in SETTLED_STATES
            found.setdefault(str(row["commit_id"]), []).append((str(row["id"]), settled))
        return found

    def times(self) -> list[tuple[int, str | None]]:
        """When each event was recorded (UTC microseconds) and which step it was about, in order."""
        return [
            (int(str(row["at"])), str(row["step_id"]) if row["step_id"] else None)
            for row in self._all("times")
        ]

    def times_since_end(self, attempt: Attempt) -> tuple[int, int]:
        """When an attempt ended, and the earliest moment recorded since (UTC microseconds)."""
        row = self._one("times_since_end", step_id=attempt.step_id, attempt_id=attempt.id)
        ended = int(str(row["ended"])) if row is not None else 0
        return ended, int(str(row["earliest"])) if row is not None and row["earliest"] else ended

    def validations(self, attempt_id: str) -> list[ValidationResult]:
        """The latest result of each validation, in the order of the task."""
        rows = self._all("validations", attempt_id=attempt_id)
        return [nested(ValidationResult, str(row["result"])) for row in rows]

    def artifact(self, artifact_id: str) -> Artifact | None:
        row = self._one("artifact", id=artifact_id)
        return build(Artifact, row) if row else None

    def artifacts(self, attempt_id: str) -> list[Artifact]:
        """Artifacts of an attempt in the order they were stored."""
        return [build(Artifact, row) for row in self._all("artifacts", attempt_id=attempt_id)]

    def all_artifacts(self) -> list[Artifact]:
        """Every piece of evidence in the record, in the order it was stored."""
        return [build(Artifact, row) for row in self._all("kept_artifacts")]

    def gate(self, gate_id: str) -> Gate | None:
        row = self._one("gate", id=gate_id)
        return build(Gate, row) if row else None

    def gates(self, run_id: str | None = None, state: GateState | None = None) -> list[Gate]:
        """Gates in the order they were opened."""
        return [build(Gate, row) for row in self._all("gates", run_id=run_id, state=state)]

    def question(self, question_id: str) -> AgentQuestion | None:
        row = self._one("question", id=question_id)
        return build(AgentQuestion, row) if row else None

    def questions(self, attempt_id: str) -> list[AgentQuestion]:
        """What the agent of an attempt asked, in its order, answered or not."""
        return [build(AgentQuestion, row) for row in self._all("questions", attempt_id=attempt_id)]

    def events(
        self,
        *,
        after: int = 0,
        run_id: str | None = None,
        step_id: str | None = None,
        limit: int = 500,
    ) -> list[Event]:
        """At most `limit` events with a greater seq than `after`; of a step, of a run, or all."""
        if step_id is not None:
            rows = self._all("events_of_step", after=after, limit=limit, step_id=step_id)
        elif run_id is not None:
            rows = self._all("events_of_run", after=after, limit=limit, run_id=run_id)
        else:
            rows = self._all("events", after=after, limit=limit)
        return [build(Event, row) for row in rows]

    def unfinished_landings(self) -> list[Event]:
        """The `step.landing` of every landing that was cut off or is under way, oldest first."""
        return [build(Event, row) for row in self._all("unfinished_landings")]

    def landings(self, step_id: str) -> list[Event]:
        """The `step.landed` of everything of a step that was brought to the user, oldest first."""
        return [build(Event, row) for row in self._all("landings", step_id=step_id)]

    def head(self) -> tuple[int, str]:
        """The seq and hash of the last event; 0 and the genesis hash when there is none."""
        (row,) = self._all("head")
        return int(str(row["seq"])), str(row["hash"])

    def find_ids(self, kind: IdKind, text: str, limit: int = 3) -> list[str]:
        """Ids that begin (with or without their kind) or end with `text`, at most `limit`."""
        text = text.lower()
        if kind not in _SEARCHED or not text:
            return []
        first = text if text.startswith(f"{kind}_") else f"{kind}_{text}"
        # "~" sorts after every character an id is made of.
        rows = self._all(f"find_{kind}", text=text, first=first, past=f"{first}~", limit=limit)
        return [str(row["id"]) for row in rows]

    def latest(self, kind: IdKind, run_id: str | None = None) -> str | None:
        """The id of this kind that was recorded last, in one run or in all."""
        row = self._one(f"latest_{kind}", run_id=run_id) if kind in _SEARCHED else None
        return str(row["id"]) if row else None

    def _one(self, name: str, /, **bindings: Binding) -> Record | None:
        return next(iter(self._all(name, **bindings)), None)

    def _all(self, name: str, /, **bindings: Binding) -> list[Record]:
        with translated(self._path):
            return list(self._rows(name, **bindings))

    def _rows(self, name: str, /, **bindings: Binding) -> Iterator[Record]:
        cursor = self._connection.execute(QUERIES[name], bindings)
        names: list[str] | None = None
        for row in cursor:
            # The description exists only while the statement has not run out of rows.
            names = names or [column[0] for column in cursor.get_description()]
            yield dict(zip(names, row, strict=True))


def _run(row: Record) -> Run:
    labels = {name: row[name] for name in ("project_id", "conversation", "planner", "executor")}
    return build(Run, {**row, "labels": json.dumps(labels)})
