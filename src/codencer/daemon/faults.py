"""What the doctor finds in the record and around it: each fault with what it means and what to do.

Looks only. Whatever `doctor --repair` can mend says so.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codencer.config import Config
from codencer.engine.layout import SNAPSHOTS, snapshot_ref
from codencer.errors import CodencerError
from codencer.ledger import ArtifactStore, Queries, look_up, verify, writing_process
from codencer.locate import read_descriptor, read_instance
from codencer.model.artifact import Artifact
from codencer.workspace.index_lock import is_ours
from codencer.workspace.refs import has_commit, list_refs
from codencer.workspace.store import Store

LEAST_FREE_BYTES = 256 * 1024 * 1024
"""Below this a workspace and its evidence hardly fit."""
CLOCK_BEHIND_US = 60 * 1_000_000
NAMED = 3
"""Examples of a fault that are named; the rest is counted."""
MENDS = "`codencer doctor --repair` mends this"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of the doctor; `needed` ones must be ok for anything to work."""

    name: str
    ok: bool
    detail: str
    needed: bool = True


def store_of(config: Config) -> Store:
    """The repository as git is asked about it without a daemon."""
    return Store(common_dir=config.repository.common_dir, bridge_dir=config.repository.common_dir)


def folders(config: Config) -> list[Path]:
    """The folders a daemon has made here; none before its first start."""
    instance = read_instance(config.repository.common_dir)
    if instance is None or not config.db_path.exists():
        return []
    home = config.workspaces(instance.id)
    return [config.state_dir, config.artifact_root, home / "workspaces", home / "trash"]


def faults(config: Config) -> Iterator[Check]:
    """Everything that can be wrong with disk and record."""
    yield _disk(config)
    yield from _missing(config)
    yield from _index_lock(config)
    if (held := _held(config)) is not None:
        yield held
    yield _ledger(config)
    if not config.db_path.exists():
        return
    try:
        yield from _clock(config)
        yield _snapshots(config)
        yield _evidence(config)
    except CodencerError as problem:
        yield Check(name="record", ok=False, detail=f"it cannot be compared with what is on disk: {problem}")


def _disk(config: Config) -> Check:
    for folder in (config.state_dir, config.artifact_root, config.workspace_root):
        there = _nearest(folder)
        if not os.access(there, os.W_OK | os.X_OK):
            detail = (
                f"{there} cannot be written: mend its permissions or remount the disk. Until then nothing "
                "new is taken in; what was recorded is untouched"
            )
            return Check(name="disk", ok=False, detail=detail)
        free = shutil.disk_usage(there).free
        if free < LEAST_FREE_BYTES:
            detail = f"{there} has {free // 2**20} MiB left; {LEAST_FREE_BYTES // 2**20} are needed"
            return Check(name="disk", ok=False, detail=f"{detail}. `codencer gc` gives some back")
    return Check(name="disk", ok=True, detail="state, artifacts and workspaces can be written")


def _nearest(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def _missing(config: Config) -> Iterator[Check]:
    if gone := [str(folder) for folder in folders(config) if not folder.is_dir()]:
        detail = f"missing: {', '.join(gone)}. {MENDS}; what was in there is gone"
        yield Check(name="folders", ok=False, detail=detail)


def _index_lock(config: Config) -> Iterator[Check]:
    lock = config.repository.git_dir / "index.lock"
    if lock.exists():
        what = (
            "`codencer land` is at work in your checkout, or was cut off there. Leave the file: the daemon "
            "finishes or undoes it at its next start, or at the next `land`"
            if is_ours(lock)
            else "a git command is at work in your checkout or was killed. If none is, look at `git status` "
            "and remove the file"
        )
        detail = f"{lock} is there: {what}; until then git and `land` refuse"
        yield Check(name="index.lock", ok=False, detail=detail, needed=False)


def _held(config: Config) -> Check | None:
    """Another process between BEGIN and COMMIT; our own daemon is there for moments only."""
    pid = writing_process(config.db_path)
    daemon = read_descriptor(config.repository.common_dir)
    if pid is None or (daemon is not None and pid == daemon.pid):
        return None
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        name = "not of this container"
    detail = (
        f"process {pid} ({name}) holds the lock of {config.db_path}: nothing can be recorded, and what is "
        "submitted is refused, until it lets go or is ended"
    )
    return Check(name="ledger lock", ok=False, detail=detail)


def _ledger(config: Config) -> Check:
    if not config.db_path.exists():
        return Check(name="ledger", ok=True, detail="none yet; the first start makes it")
    try:
        report = verify(config.db_path)
    except CodencerError as problem:
        return Check(name="ledger", ok=False, detail=problem.message)
    if report.ok:
        return Check(name="ledger", ok=True, detail=f"{report.events} events, chain and tables hold")
    if report.fault_seq is None:
        how = (
            "the chain holds, so `codencer stop` and then `codencer doctor --repair` derives the tables anew"
        )
    else:
        how = (
            f"the record holds up to event {report.events} only. Keep the file, and put a backup of it "
            "(*.bak beside it, if there is one) in its place"
        )
    return Check(name="ledger", ok=False, detail=f"{report.fault}; {how}")


def _clock(config: Config) -> Iterator[Check]:
    newest = max((at for at, _ in look_up(config.db_path, Queries.times)), default=0)
    ahead = newest - time.time_ns() // 1000
    if ahead > CLOCK_BEHIND_US:
        detail = (
            f"an event was recorded {ahead // 1_000_000} s in the future: the clock was set back, or was "
            "ahead then. Order and time limits do not depend on it; no snapshot expires for it"
        )
        yield Check(name="clock", ok=False, detail=detail, needed=False)


def missing_snapshots(config: Config) -> tuple[int, dict[str, str], dict[str, str]]:
    """How many snapshots there should be; refs to be made again with their commits; refs that are lost."""
    attempts = look_up(config.db_path, Queries.attempts_with_snapshot)
    expected = {
        snapshot_ref(each.id): each.snapshot.commit
        for each in attempts
        if each.snapshot is not None and not each.snapshot.expired
    }
    there = list_refs(store_of(config), SNAPSHOTS)
    absent = {ref: commit for ref, commit in expected.items() if ref not in there}
    moved = {ref: commit for ref, commit in expected.items() if there.get(ref, commit) != commit}
    again = {ref: commit for ref, commit in absent.items() if has_commit(store_of(config), commit)}
    lost = moved | {ref: commit for ref, commit in absent.items() if ref not in again}
    return len(expected), again, lost


def _snapshots(config: Config) -> Check:
    number, again, lost = missing_snapshots(config)
    if lost:
        detail = (
            f"{_some(lost)} moved, or gone with the commit: only the evidence (`codencer step diff`) is left"
        )
        return Check(name="snapshots", ok=False, detail=detail, needed=False)
    if again:
        return Check(
            name="snapshots", ok=False, detail=f"{_some(again)} missing; the commits are there. {MENDS}"
        )
    return Check(name="snapshots", ok=True, detail=f"{number}, each with its ref")


def _evidence(config: Config) -> Check:
    artifacts = look_up(config.db_path, Queries.all_artifacts)
    store = ArtifactStore(config.artifact_root)
    gone = [each.path for each in artifacts if not _is_there(store, each)]
    if gone:
        detail = f"{_some(gone)} missing or not as sealed, below {config.artifact_root}: put back a backup"
        return Check(name="evidence", ok=False, detail=detail, needed=False)
    return Check(name="evidence", ok=True, detail=f"{len(artifacts)} files, each as long as it was sealed")


def _is_there(store: ArtifactStore, artifact: Artifact) -> bool:
    try:
        store.path(artifact)
    except CodencerError:
        return False
    return True


def _some(names: list[str] | dict[str, str]) -> str:
    named = ", ".join(list(names)[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{named}{more}"
