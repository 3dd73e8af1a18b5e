"""The identity of an instance: one random id per repository, kept in its state folder.

A clone that was moved keeps its id (its workspaces and record are still its own). A copy of
a clone gets a new one, because two daemons must not share workspaces or a socket: it is a
copy when the place the file was written for still holds the same id.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from codencer.errors import StorageFailed
from codencer.locate.files import locked, read_regular, write_atomically
from codencer.locate.folders import make_state_dir, state_dir

_FILE = "instance.json"


@dataclass(frozen=True, kw_only=True)
class Instance:
    id: str
    common_dir: Path


def read_instance(common_dir: Path) -> Instance | None:
    """The instance already claimed for exactly this place, or None; changes nothing.

    Raises:
        StorageFailed: the file is damaged.
    """
    found = _read(common_dir)
    return found if found is not None and found.common_dir == common_dir else None


def claim_instance(common_dir: Path) -> Instance:
    """Return the instance of this repository; makes or corrects its file when needed.

    Raises:
        StorageFailed: the state folder cannot be written, or the file is damaged.
    """
    claimed = read_instance(common_dir)
    if claimed is not None:
        return claimed
    folder = make_state_dir(common_dir)
    with locked(folder / "instance.lock"):
        found = _read(common_dir)
        if found is not None and found.common_dir == common_dir:
            return found
        keep = found is not None and not _is_copy(found, common_dir)
        claimed = Instance(id=found.id if found and keep else _fresh_id(), common_dir=common_dir)
        record = {"id": claimed.id, "common_dir": os.fsdecode(common_dir)}
        write_atomically(folder / _FILE, json.dumps(record).encode("ascii"))
        return claimed


def _read(common_dir: Path) -> Instance | None:
    path = state_dir(common_dir) / _FILE
    content = read_regular(path)
    if content is None:
        return None
    try:
        record = json.loads(content)
        identifier, recorded = record["id"], record["common_dir"]
        if not isinstance(identifier, str) or not identifier.startswith("inst_"):
            raise ValueError("no instance id")
        return Instance(id=identifier, common_dir=Path(recorded))
    except (ValueError, KeyError, TypeError) as problem:
        raise StorageFailed(
            f"{path} is damaged; remove it to give this repository a new instance id "
            "(its ledger and artifacts stay)"
        ) from problem


def _is_copy(found: Instance, common_dir: Path) -> bool:
    """Whether the place that `found` was written for is another one and still has its id."""
    try:
        if os.path.samefile(found.common_dir, common_dir):
            return False
        original = _read(found.common_dir)
    except FileNotFoundError:
        return False
    except (OSError, StorageFailed):
        # It is there and cannot be looked into: a new id is always safe, a shared one never.
        return True
    return original is not None and original.id == found.id


def _fresh_id() -> str:
    # Imported here: `secrets` costs every CLI verb milliseconds, and this runs once a clone.
    from codencer.model.ids import IdKind, new_id

    return new_id(IdKind.INSTANCE)
