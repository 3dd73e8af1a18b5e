"""How clients find a running daemon: `daemon.json` in the state folder, and the registry.

The daemon writes both when it listens and removes both when it stops; a crash leaves them
behind, so a reader believes a descriptor only once the daemon has answered. Unknown keys
are passed over: a client must be able to read what a newer daemon wrote, to refuse it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from codencer.errors import CodencerError
from codencer.locate.files import make_private, read_regular, write_atomically
from codencer.locate.folders import make_state_dir, state_dir, user_state_dir


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What `codencer instance --json` prints; `started_at` is RFC 3339 UTC."""

    instance_id: str
    common_dir: str
    pid: int
    socket: str
    api_version: int
    version: str = ""
    repo_root: str = ""
    state_dir: str = ""
    workspace_root: str = ""
    host: str = ""
    port: int = 0
    base_url: str = ""
    token_file: str = ""
    execution_mode: str = ""
    started_at: str = ""


def descriptor_path(common_dir: Path) -> Path:
    return state_dir(common_dir) / "daemon.json"


def write_descriptor(descriptor: Descriptor) -> None:
    """Publish the daemon of a repository, replacing what an earlier one left.

    Raises:
        StorageFailed: the state folder cannot be written.
    """
    common_dir = Path(descriptor.common_dir)
    make_state_dir(common_dir)
    write_atomically(descriptor_path(common_dir), _to_bytes(descriptor))


def read_descriptor(common_dir: Path) -> Descriptor | None:
    """The last daemon that published itself here; None when there is none or it is another place's."""
    found = _read(descriptor_path(common_dir))
    # A copied clone carries the descriptor of the original's daemon.
    return found if found is not None and found.common_dir == os.fsdecode(common_dir) else None


def remove_descriptor(common_dir: Path, pid: int) -> None:
    """Take the descriptor away if it is still that process's own."""
    _remove(descriptor_path(common_dir), pid)


def register(descriptor: Descriptor, environ: Mapping[str, str] = os.environ) -> None:
    """Make a running daemon findable from any folder, through the user's state directory."""
    make_private(_registry(environ))
    write_atomically(registry_entry(descriptor.instance_id, environ), _to_bytes(descriptor))


def unregister(instance_id: str, pid: int, environ: Mapping[str, str] = os.environ) -> None:
    """Take a daemon out of the registry if the entry is still that process's own."""
    _remove(registry_entry(instance_id, environ), pid)


def registry_entry(instance_id: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The file of an instance in the registry, whether it is there or not."""
    return _registry(environ) / f"{instance_id}.json"


def registered(environ: Mapping[str, str] = os.environ) -> list[Descriptor]:
    """Every daemon in the registry, by instance id; some may be gone without a goodbye."""
    found = (_read(path) for path in sorted(_registry(environ).glob("inst_*.json")))
    return [descriptor for descriptor in found if descriptor is not None]


def _registry(environ: Mapping[str, str]) -> Path:
    return user_state_dir(environ) / "instances"


def _remove(path: Path, pid: int) -> None:
    found = _read(path)
    if found is not None and found.pid == pid:
        path.unlink(missing_ok=True)


def _to_bytes(descriptor: Descriptor) -> bytes:
    return json.dumps(asdict(descriptor), indent=1).encode("ascii") + b"\n"


def _read(path: Path) -> Descriptor | None:
    """Anything that is not a descriptor counts as none: the next daemon replaces it."""
    try:
        record = json.loads(read_regular(path) or b"null")
    except (ValueError, CodencerError):
        return None
    if not isinstance(record, dict):
        return None
    types = {each.name: each.type for each in fields(Descriptor)}
    known = {name: value for name, value in record.items() if name in types}
    if any(type(value) is not types[name] for name, value in known.items()):
        return None
    try:
        return Descriptor(**known)
    except TypeError:
        return None
