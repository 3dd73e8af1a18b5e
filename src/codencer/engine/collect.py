"""Third stage: everything the attempt left is made safe: snapshot, diff, logs, evidence.

The snapshot's ref exists before anything is recorded, and nothing is removed before that.
Re-entered, the same ref is found again and the same files are sealed under the same names.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codencer.engine.briefing import read_briefing
from codencer.engine.layout import snapshot_ref
from codencer.engine.litter import litter_of, without_litter
from codencer.engine.policies import policy_of
from codencer.engine.rooms import Entry, Trip
from codencer.evidence import environment
from codencer.ledger import Sealable
from codencer.model.artifact import Artifact
from codencer.model.attempt import AttemptState, Ending, FileChange, Snapshot
from codencer.model.codec import encode
from codencer.model.event import EventKind
from codencer.model.step import StepState
from codencer.policy import content
from codencer.process.frames import LOG
from codencer.workspace import diff, snapshot, validated

CONVERSATION = "conversation.log"
"""What a two-way agent and the bridge said to each other, in the place of its stdout."""


async def collect(trip: Trip) -> None:
    """Take the snapshot and seal the evidence, or leave the workspace as it is and raise."""
    if trip.attempt.state is not AttemptState.COLLECTING:
        return
    began = time.monotonic_ns()
    # The evidence waits for the disk while git works; both are over before either's fault is told.
    sealing = asyncio.create_task(asyncio.to_thread(_seal_evidence, trip))
    taking = asyncio.create_task(_snapshot(trip))
    await asyncio.wait({sealing, taking})
    artifacts, found = sealing.result(), taking.result()
    entries: list[Entry] = []
    if found is not None:
        artifacts += await asyncio.to_thread(seal, trip, found.files)
        moved = trip.moved(AttemptState.VALIDATING, StepState.VALIDATING)
        entries.append((EventKind.SNAPSHOT_TAKEN, {"snapshot": found.snapshot, **moved}))
    trip.timings["collect"] = (time.monotonic_ns() - began) // 1_000_000
    await trip.record((EventKind.ARTIFACTS_STORED, {"artifacts": artifacts}), *entries)


def _seal_evidence(trip: Trip) -> list[Artifact]:
    return seal(trip, list(_evidence(trip)))


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the workspace held: the snapshot, and the files that describe it."""

    snapshot: Snapshot
    files: list[Sealable]


def seal(trip: Trip, files: list[Sealable]) -> list[Artifact]:
    """Store files as this attempt's artifacts, read-only and hashed, in the given order."""
    folder = f"{trip.step.run_id}/{trip.step.id}/{trip.attempt.id}"
    return trip.rooms.artifacts.seal_all(folder, files, trip.attempt.id)


async def _snapshot(trip: Trip) -> Found | None:
    """Take the snapshot of a workspace that an agent may have seen; None when there is none."""
    rooms, step, attempt = trip.rooms, trip.step, trip.attempt
    if attempt.outcome is None or attempt.outcome.ending is Ending.UNPREPARED:
        return None
    base = step.base.commit or ""
    patch = rooms.layout.attempt_folder(attempt.id) / "diff.patch"
    seen = await asyncio.to_thread(_look, trip, base)
    if seen is None:
        return None
    # The tree is all that can be compared; its commit waits for the disk meanwhile.
    keeping = asyncio.create_task(asyncio.to_thread(snapshot.keep, seen))
    comparing = asyncio.create_task(asyncio.to_thread(_compare, trip, base, seen.tree))
    drawing = asyncio.create_task(asyncio.to_thread(diff.patch, rooms.store, base, seen.tree, patch))
    await asyncio.wait({keeping, comparing, drawing})
    taken, compared = keeping.result(), comparing.result()
    drawing.result()
    result = Snapshot(
        commit=taken.commit,
        tree=taken.tree,
        validated_tree=compared.validated_tree,
        complete=taken.complete,
        problems=tuple(taken.problems),
        files_changed=compared.files,
        additions=compared.additions,
        deletions=compared.deletions,
        protected_changed=compared.put_back,
    )
    files: list[Sealable] = [
        ("diff.patch", patch, "text/x-diff"),
        ("changed_files.json", compared.listing, "application/json"),
    ]
    return Found(snapshot=result, files=files)


def _look(trip: Trip, base: str) -> snapshot.Sighting | None:
    layout, attempt = trip.rooms.layout, trip.attempt
    if not layout.workspace(attempt.id).exists():
        return None
    return snapshot.look(
        trip.rooms.store,
        without_litter(trip),
        workspace=layout.workspace(attempt.id),
        index=layout.index(attempt.id),
        base=base,
        ref=snapshot_ref(attempt.id),
        message=_message(trip),
    )


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """The changes from the base to the snapshot, counted and listed, and what validations will judge."""

    files: int
    additions: int
    deletions: int
    listing: bytes
    validated_tree: str
    put_back: tuple[str, ...]


def _compare(trip: Trip, base: str, tree: str) -> _Compared:
    store = trip.rooms.store
    changes = diff.changed_files(store, base, tree)
    judged, put_back = validated.validated_tree(store, base, tree, trip.step.task.protected_paths)
    return _Compared(
        files=len(changes),
        additions=sum(change.additions or 0 for change in changes),
        deletions=sum(change.deletions or 0 for change in changes),
        listing=_lines(changes),
        validated_tree=judged,
        put_back=put_back,
    )


def _message(trip: Trip) -> str:
    return (
        f"{trip.step.title}\n\n"
        f"Codencer-Run: {trip.step.run_id}\n"
        f"Codencer-Step: {trip.step.id}\n"
        f"Codencer-Attempt: {trip.attempt.id}\n"
    )


def _lines(changes: list[FileChange]) -> bytes:
    """A JSON list, one change a line, so that a person can read and compare it."""
    body = ",\n".join(json.dumps(encode(change), sort_keys=True) for change in changes)
    return f"[\n{body}\n]\n".encode()


def _evidence(trip: Trip) -> Iterator[Sealable]:
    """What exists besides the snapshot: the task in every form, the prompt, the raw output."""
    layout, step, attempt = trip.rooms.layout, trip.step, trip.attempt
    exchange = layout.exchange(attempt.id)
    original = step.provenance.original_input.encode("utf-8")
    yield f"input.{_suffix(step.provenance.original_format)}", original, "text/plain"
    yield "task.json", json.dumps(encode(step.task), indent=2, sort_keys=True).encode(), "application/json"
    yield "environment.json", _environment(trip), "application/json"
    yield "policy.json", content(policy_of(step)), "application/json"
    yield "prompt.txt", exchange / "prompt.txt", "text/plain"
    if attempt.pauses:
        yield "prompt-again.txt", exchange / "prompt-again.txt", "text/plain"
    yield "transcript.jsonl", exchange / "transcript.jsonl", "application/jsonl"
    for folder in layout.launches(attempt.id, "hook"):
        yield from output(folder, f"{folder.name}.")
    for pause in attempt.pauses:
        if pause.launch != attempt.launch:
            yield from output(layout.launch(attempt.id, pause.launch), f"{pause.launch}.")
    if attempt.launch is not None:
        yield from output(layout.launch(attempt.id, attempt.launch), "")


def _environment(trip: Trip) -> bytes:
    step, briefing = trip.step, read_briefing(trip)
    return environment(
        trip.attempt,
        git_version=trip.rooms.git_version,
        agent={"home": briefing.home, "resumes": briefing.session_id, "litter": litter_of(trip)},
        policy=step.policy,
        policy_digest=policy_of(step).digest,
        base_commit=step.base.commit,
    )


def _suffix(original_format: str) -> str:
    return {"yaml": "yaml", "json": "json"}.get(original_format, "txt")


def output(folder: Path, prefix: str) -> list[Sealable]:
    """What a launch leaves: its output, or the conversation with it, and its exit record."""
    return [
        (f"{prefix}stdout.log", folder / "stdout", "text/plain"),
        (f"{prefix}{CONVERSATION}", folder / LOG, "text/plain"),
        (f"{prefix}stderr.log", folder / "stderr", "text/plain"),
        (f"{prefix}exit.json", folder / "exit.json", "application/json"),
    ]
