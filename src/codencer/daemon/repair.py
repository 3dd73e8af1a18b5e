"""`codencerd --check doctor --act`: mends what can be mended without losing or inventing anything.

Missing folders are made, snapshot refs whose commits are there are made again from the record, and,
while no daemon runs, tables that differ from the events are derived anew from a chain that holds. The
chain, the evidence and the user's own files are never touched.
"""

from collections.abc import Iterator
from pathlib import Path

from codencer.config import Config
from codencer.daemon.faults import folders, missing_snapshots, store_of
from codencer.daemon.lock import if_free
from codencer.errors import CodencerError, StorageFailed
from codencer.ledger import rebuild, verify
from codencer.workspace.refs import create_refs


def repair(config: Config) -> list[str]:
    """Mend, and return one line for each thing that was done or could not be."""
    done: list[str] = []
    for part in (_folders, _tables, _refs):
        try:
            done += part(config)
        except CodencerError as problem:
            done.append(f"could not be mended: {problem.message}")
    return done


def _folders(config: Config) -> Iterator[str]:
    for folder in folders(config):
        if folder.is_dir():
            continue
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:
            raise StorageFailed(f"{folder} cannot be made: {problem.strerror}") from problem
        yield f"made {folder} again"


def _tables(config: Config) -> Iterator[str]:
    """Needs the daemon's lock: nobody may write meanwhile. Its leftovers are cleared away, too."""
    if not config.db_path.exists():
        return
    with if_free(config.state_dir / "daemon.lock") as free:
        if not free:
            return
        for lock in _stale_locks(config.state_dir):
            lock.unlink(missing_ok=True)
            yield f"removed {lock}, which a git command of an ended daemon had left"
        report = verify(config.db_path)
        if not report.ok and report.fault_seq is None:
            copy = rebuild(config.db_path)
            yield f"derived the tables anew from {report.events} events ({report.fault}); as it was: {copy}"


def _stale_locks(state: Path) -> list[Path]:
    """Lock files of indexes of the bridge's own."""
    return [*state.glob("launches/*/index.lock"), *state.glob("git/*.lock")]


def _refs(config: Config) -> Iterator[str]:
    if not config.db_path.exists():
        return
    _, again, _ = missing_snapshots(config)
    for ref, commit in again.items():
        create_refs(store_of(config), {ref: commit})
        yield f"made {ref} again, at {commit}"
