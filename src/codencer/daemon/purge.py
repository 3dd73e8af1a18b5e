"""`codencerd --check purge`: everything Codencer keeps for one repository, and its removal.

What goes is the record, the evidence, the workspaces, every ref under refs/codencer and the entry in
the user's registry, the folder of state last, so that an interrupted purge can be done again. Of the
user's repository nothing else changes; the commits of the refs stay until git collects them.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codencer.config import Config
from codencer.daemon.faults import store_of
from codencer.daemon.lock import only_one
from codencer.engine.launching import marker_in
from codencer.errors import CodencerError, Conflict, StorageFailed
from codencer.ledger import Queries, look_up
from codencer.locate import make_state_dir, read_descriptor, read_instance, registry_entry
from codencer.model.launch import LaunchStatus
from codencer.process.launches import Launcher
from codencer.workspace.refs import NAMESPACE, delete_refs, forget_folders, list_refs
from codencer.workspace.release import discard


@dataclass(frozen=True, kw_only=True)
class Belongings:
    """All of one instance: `paths` in the order in which they go, `refs` by name.

    `landing` is the step of a landing that was cut off, if there is one.
    """

    instance_id: str
    paths: tuple[Path, ...]
    refs: tuple[str, ...]
    at_work: tuple[Path, ...]
    launches: tuple[Path, ...]
    unsettled: int
    landing: str
    notes: tuple[str, ...]


def purge(config: Config, *, act: bool, kill: bool) -> dict[str, object]:
    """Say what goes, or remove it; `kill` first ends what is at work.

    Raises:
        Conflict: a daemon or an attempt is at work; nothing has changed.
        StorageFailed: something could not be removed; it can be tried again.
    """
    found = belongings(config)
    document: dict[str, object] = {
        "paths": [str(path) for path in found.paths],
        "refs": list(found.refs),
        "at_work": [str(path) for path in found.at_work],
        "unsettled": found.unsettled,
        "notes": list(found.notes),
    }
    if not act:
        return document
    if found.at_work and not kill:
        raise Conflict(
            f"an agent or validation is still at work ({found.at_work[0]}): `codencer purge --kill` ends it. "
            "Nothing was removed"
        )
    if found.landing:
        raise Conflict(
            f"a landing of step {found.landing} was cut off: `codencer start` finishes or undoes it. "
            "Nothing was removed; purge again after that"
        )
    if found.paths or found.refs:
        with only_one(make_state_dir(config.repository.common_dir) / "daemon.lock", config.repository):
            asyncio.run(_end(found))
            _remove(config, found)
    return document


def belongings(config: Config) -> Belongings:
    """Everything that is there now."""
    common_dir = config.repository.common_dir
    instance = read_instance(common_dir)
    paths: list[Path] = []
    if instance is not None:
        paths += [config.workspaces(instance.id), registry_entry(instance.id)]
    if (descriptor := read_descriptor(common_dir)) is not None:
        paths.append(Path(descriptor.socket))
    steps, unsettled, landing, notes = _recorded(config)
    paths += _outside(config, steps)
    paths.append(config.state_dir)
    launches = tuple(sorted(path.parent for path in config.state_dir.glob("launches/*/*/launch.json")))
    launcher = Launcher()
    return Belongings(
        instance_id=instance.id if instance is not None else "",
        paths=tuple(path for path in paths if path.exists() or path.is_symlink()),
        refs=tuple(list_refs(store_of(config), NAMESPACE)),
        at_work=tuple(each for each in launches if launcher.status(each) is LaunchStatus.ALIVE),
        launches=launches,
        unsettled=unsettled,
        landing=landing,
        notes=notes,
    )


def _recorded(config: Config) -> tuple[list[tuple[str, str]], int, str, tuple[str, ...]]:
    """(run, step) of every step, how many are unsettled, a landing that was cut off, what is not known."""

    def read(queries: Queries) -> tuple[list[tuple[str, str]], int, str]:
        runs = queries.runs()
        steps = [(run.id, step.id) for run in runs for step in queries.steps(run.id)]
        landing = next((each.step_id or "" for each in queries.unfinished_landings()), "")
        return steps, sum(run.steps_unsettled for run in runs), landing

    if not config.db_path.exists():
        return [], 0, "", ()
    try:
        return *look_up(config.db_path, read), ()
    except CodencerError as problem:
        kept = "" if _inside(config, config.artifact_root) else f"; what is in {config.artifact_root} stays"
        return [], 0, "", (f"the ledger cannot be read, so what is unsettled is not known{kept}: {problem}",)


def _outside(config: Config, steps: list[tuple[str, str]]) -> Iterator[Path]:
    """The ledger and the evidence where settings put them elsewhere, and nothing that lies beside them."""
    if not _inside(config, config.db_path):
        name = config.db_path.name
        yield from sorted(config.db_path.parent.glob(f"{name}-*"))
        yield from sorted(config.db_path.parent.glob(f"{name}.*.bak"))
        yield config.db_path
    if not _inside(config, config.artifact_root):
        yield from (config.artifact_root / run / step for run, step in steps)


def _inside(config: Config, path: Path) -> bool:
    return path.resolve().is_relative_to(config.state_dir.resolve())


async def _end(found: Belongings) -> None:
    """Stop every process tree, also of supervisors that died.

    By the marker of this instance: a copied folder of state tells of processes that are the original's.
    """
    launcher = Launcher()
    for folder in found.launches:
        await asyncio.to_thread(launcher.stop, folder)
    for folder in found.launches:
        if await launcher.finished(folder) is None and found.instance_id:
            marker = marker_in(found.instance_id, folder)
            await asyncio.to_thread(launcher.sweep, folder, marker)


def _remove(config: Config, found: Belongings) -> None:
    store = store_of(config)
    delete_refs(store, found.refs)
    forget_folders(store)
    for path in found.paths:
        try:
            discard(path)
            if path.parent.parent == config.artifact_root and not any(path.parent.iterdir()):
                path.parent.rmdir()
        except OSError as problem:
            raise StorageFailed(
                f"{path} cannot be removed: {problem}; run `codencer purge` again"
            ) from problem
    discard(config.state_dir)
