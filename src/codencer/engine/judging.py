"""One validation from its first run to its result: on the validated tree, and on the base if asked.

Each run gets the tree laid anew and a launch of its own. `clean` and an overlay ask for a fresh
checkout, and the base always gets one: nothing the agent left behind is in it.
"""

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from codencer import validation
from codencer.engine import baselines
from codencer.engine.collect import output, seal
from codencer.engine.confining import confined_validation
from codencer.engine.environment import allowed
from codencer.engine.grounds import Ground, agents_ground, fresh_ground, give_up, provision
from codencer.engine.launching import Interrupted, clear_away, marker_of, supervise
from codencer.engine.memory_cap import MIB
from codencer.engine.rooms import Trip
from codencer.ledger import Sealable
from codencer.model.artifact import Artifact
from codencer.model.codec import encode
from codencer.model.event import EventKind
from codencer.model.launch import Limits
from codencer.model.task import ValidationSpec
from codencer.model.validation import Outcome, ValidationState
from codencer.process.launches import Order
from codencer.validation.report import LARGEST_REPORT_BYTES
from codencer.workspace.lay import Guard, lay_validated
from codencer.workspace.overlay import lay_overlay
from codencer.workspace.provisioned import read_noted
from codencer.workspace.release import discard


@dataclass
class Judging:
    """One validation of one attempt; `evidence` are the files its runs have left so far."""

    trip: Trip
    ordinal: int
    spec: ValidationSpec
    evidence: list[Artifact] = field(default_factory=list)

    @property
    def number(self) -> int:
        return self.ordinal + 1

    async def run(self) -> None:
        """Judge and record; a person's cancel leaves no result."""
        runs = await self._here()
        before = await self._on_base() if runs and _compares(self.spec) else []
        if not runs or self.trip.cancelled:
            return
        refs = {artifact.name: artifact.path for artifact in self.evidence}
        last = f"validation-{self.number}." + (f"retry-{len(runs) - 1}." if len(runs) > 1 else "")
        result = validation.conclude(
            self.spec, runs, before, (refs.get(f"{last}stdout.log"), refs.get(f"{last}stderr.log"))
        )
        await self.trip.record(
            (EventKind.ARTIFACTS_STORED, {"artifacts": self.evidence}),
            (EventKind.VALIDATION_FINISHED, {"ordinal": self.ordinal, "result": result}),
        )

    async def _here(self) -> list[Outcome]:
        """The runs on the validated tree."""
        fresh = self.spec.clean or self.spec.overlay is not None
        ground = fresh_ground(self.trip) if fresh else agents_ground(self.trip)
        try:
            if fresh and (problem := await self._prepare(ground)):
                return [problem]
            lay = partial(self._lay, ground, guarded=not fresh)
            return await self._runs(ground, lay, f"validation-{self.number}")
        finally:
            if fresh:
                await give_up(self.trip, ground)

    async def _on_base(self) -> list[Outcome]:
        """The runs on the base commit: those of an earlier step, or new ones."""
        trip, commit = self.trip, self.trip.step.base.commit or ""
        folder = trip.rooms.layout.state / "baselines"
        environment = allowed(trip.rooms.environ)
        key = baselines.key_of(trip, self.spec, commit, environment)
        runs = await asyncio.to_thread(baselines.known, folder, key)
        if not runs:
            ground = fresh_ground(trip)
            try:
                problem = await self._prepare(ground)
                runs = [problem] if problem else await self._runs(ground, _nothing, f"baseline-{self.number}")
            finally:
                await give_up(trip, ground)
            await asyncio.to_thread(baselines.keep, folder, key, runs)
        told = json.dumps(encode(runs), indent=1).encode()
        await self._seal([(f"baseline-{self.number}.json", told, "application/json")])
        return runs

    async def _prepare(self, ground: Ground) -> Outcome | None:
        """Make a fresh checkout of the base; what kept it from being one is the outcome."""
        made = await provision(self.trip, ground)
        if made.success or self.trip.cancelled:
            return None
        error = f"the fresh checkout could not be provisioned: {made.summary}"
        return Outcome(state=ValidationState.ERRORED, error=error)

    async def _runs(self, ground: Ground, lay: Callable[[], None], kind: str) -> list[Outcome]:
        """Run once, and again while it fails and may be tried again; none when cancelled."""
        runs: list[Outcome] = []
        while not self.trip.cancelled:
            await asyncio.to_thread(lay)
            await asyncio.to_thread(self._lay_over, ground)
            outcome = await self._once(ground, kind, len(runs))
            if outcome is None:
                continue
            runs.append(outcome)
            if outcome.state is not ValidationState.FAILED or len(runs) > self.spec.retries:
                return runs
        return []

    async def _once(self, ground: Ground, kind: str, earlier: int) -> Outcome | None:
        """One launch to its end; None when an interruption cut it off."""
        trip = self.trip
        number = await clear_away(trip, kind)
        folder = trip.rooms.layout.launch(trip.attempt.id, f"{kind}-{number}")
        report = self._report_in(ground)
        try:
            order = await asyncio.to_thread(self._order, ground, folder)
            record = await supervise(trip, folder, order)
        except Interrupted:
            return None
        if trip.cancelled:
            return None
        found = await asyncio.to_thread(_read_report, report, ground.workspace) if report else None
        prefix = f"{kind}." + (f"retry-{earlier}." if earlier else "")
        files = output(folder, prefix)
        if found is not None:
            files.append((f"{prefix}report.xml", found, "application/xml"))
        await self._seal(files)
        return validation.judge_run(self.spec, record, found)

    def _report_in(self, ground: Ground) -> Path | None:
        path = validation.report_path(self.spec)
        return ground.workspace / path if path is not None else None

    def _order(self, ground: Ground, folder: Path) -> Order:
        trip, launch = self.trip, validation.launch(self.spec)
        env = allowed(trip.rooms.environ) | launch.env
        return Order(
            launch=launch,
            limits=Limits(
                wall_seconds=self.spec.timeout_seconds,
                output_bytes=trip.step.frozen.max_output_bytes,
                grace_seconds=trip.step.frozen.grace_seconds,
            ),
            cwd=ground.workspace,
            env=env,
            marker=marker_of(trip, folder),
            memory_bytes=trip.step.frozen.memory_cap_mb * MIB,
            confinement=confined_validation(trip, ground.workspace, env),
        )

    def _lay(self, ground: Ground, *, guarded: bool) -> None:
        """Make the files of a ground those of the validated tree."""
        trip, snapshot = self.trip, self.trip.attempt.snapshot
        assert snapshot is not None  # validations run after it
        lay_validated(
            trip.rooms.store,
            ground.settings(trip.step.frozen.git_settings),
            workspace=ground.workspace,
            index=ground.index,
            base=trip.step.base.commit or "",
            tree=snapshot.validated_tree,
            guard=_guard(trip) if guarded else None,
        )

    def _lay_over(self, ground: Ground) -> None:
        """Lay the overlay, and take away a report that this run has not written."""
        digest = self.trip.step.frozen.overlays.get(self.spec.name)
        if digest is not None:
            lay_overlay(self.trip.rooms.layout.overlay(digest), ground.workspace)
        if (report := self._report_in(ground)) is not None and _is_inside(report, ground.workspace):
            discard(report)

    async def _seal(self, files: list[Sealable]) -> None:
        self.evidence += await asyncio.to_thread(seal, self.trip, files)


def _compares(spec: ValidationSpec) -> bool:
    return spec.baseline or spec.must_fail_before


def _nothing() -> None:
    """The base was just filled in: there is nothing else to lay."""


def _guard(trip: Trip) -> Guard | None:
    """Ignored files below protected paths go, too, but for those that were there before the agent was."""
    globs = trip.step.task.protected_paths
    if not globs or trip.attempt.launch is None:
        return None
    return Guard(globs=globs, noted=read_noted(trip.rooms.layout.provisioned(trip.attempt.id)))


def _is_inside(path: Path, workspace: Path) -> bool:
    """Whether the way to a file stays in the workspace, whatever links lie on it."""
    return Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(workspace))


def _read_report(path: Path, workspace: Path) -> bytes | None:
    """What the command left, one byte more than is read of a report at most; None when there is no file."""
    if not _is_inside(path, workspace):
        return None
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            return file.read(LARGEST_REPORT_BYTES + 1)
    return None
