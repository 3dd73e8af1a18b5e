"""What a launch folder says, to whoever looks: claim, lock and exit record.

The claim appears complete and locked in one step, so a claim whose lock is free has a dead
owner. A tombstone is a claim without an owner: nothing can ever start in its folder. The exit
record is whole or not there. Everything here blocks briefly on the disk, `await_release` for long.
"""

import fcntl
import json
import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from codencer.errors import IncompatibleVersion, StorageFailed
from codencer.model.codec import DecodeError, decode
from codencer.model.launch import ExitReason, ExitRecord, LaunchStatus
from codencer.process import groups
from codencer.process.confined import is_confined, seen_through
from codencer.process.frames import LOG, read_failure
from codencer.process.procfs import boot_id, seconds_since

PROTOCOL = 1
"""What the supervisor of this version speaks."""
UNDERSTOOD = (1,)
"""Protocols of supervisors that may still be running or have left their records."""

_RECORD_FIELDS = {each.name for each in fields(ExitRecord)}
_NEVER_STARTED = ExitRecord(
    reason=ExitReason.NOT_STARTED,
    error="the launch was withdrawn before its supervisor came up; nothing was started",
)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Who took a launch. `pid` 0: a tombstone, or a claim that cannot be read."""

    pid: int = 0
    start_ticks: int = 0
    boot_id: str = ""
    agent: int | None = None
    tombstone: bool = False


def read_claim(folder: Path) -> Claim | None:
    """The claim of a launch; None while nobody has taken it."""
    try:
        lines = (folder / "claim").read_bytes().splitlines()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise StorageFailed(f"{folder / 'claim'} cannot be read: {problem.strerror}") from problem
    said: dict[str, object] = {}
    for line in lines:
        said |= _json_object(line)
    pid, ticks, agent = said.get("pid"), said.get("start_ticks"), said.get("agent")
    return Claim(
        pid=pid if isinstance(pid, int) else 0,
        start_ticks=ticks if isinstance(ticks, int) else 0,
        boot_id=str(said.get("boot_id", "")),
        agent=agent if isinstance(agent, int) else None,
        tombstone=said.get("tombstone") is True,
    )


def is_alive(folder: Path, claim: Claim | None) -> bool:
    """Whether the owner of the claim lives: it was made since this boot, and its lock is held."""
    if claim is None or claim.tombstone or claim.boot_id != boot_id():
        return False
    return not _try_lock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)


def seconds_claimed(folder: Path) -> float:
    """How long ago the launch was claimed; 0 where nobody has yet, or it cannot be told."""
    claim = read_claim(folder)
    if claim is None or not claim.start_ticks or claim.boot_id != boot_id():
        return 0.0
    return seconds_since(claim.start_ticks)


def await_release(folder: Path) -> None:
    """Block until the owner of the claim is gone."""
    _try_lock(folder, fcntl.LOCK_SH)


def status(folder: Path) -> LaunchStatus:
    """What is known of a launch, also when an earlier daemon started it."""
    claim = read_claim(folder)
    if claim is None:
        return LaunchStatus.UNCLAIMED
    if is_alive(folder, claim):
        return LaunchStatus.ALIVE
    # The record is written before the lock is released, so the order of these looks matters.
    return LaunchStatus.LOST if read_exit(folder) is None else LaunchStatus.ENDED


def read_exit(folder: Path) -> ExitRecord | None:
    """How the launch ended; None when nobody recorded it.

    Raises:
        IncompatibleVersion: a newer supervisor wrote the record.
    """
    try:
        said = _json_object((folder / "exit.json").read_bytes())
    except FileNotFoundError:
        claim = read_claim(folder)
        return _NEVER_STARTED if claim is not None and claim.tombstone else None
    except OSError as problem:
        raise StorageFailed(f"{folder / 'exit.json'} cannot be read: {problem.strerror}") from problem
    if said and said.get("protocol") not in UNDERSTOOD:
        raise IncompatibleVersion(
            f"{folder / 'exit.json'} was written by a newer supervisor (protocol {said.get('protocol')}); "
            "nothing was changed; use the version of Codencer that started this launch, or a newer one"
        )
    known = {name: value for name, value in said.items() if name in _RECORD_FIELDS}
    try:
        record = decode(ExitRecord, known)
    except DecodeError:
        return None  # not what a supervisor writes: as good as no record
    if record.reason is ExitReason.EXITED and (failure := read_failure(folder / LOG)):
        # The supervisor knows only of the relay, which started and could not start the command.
        return replace(record, reason=ExitReason.NOT_STARTED, code=None, error=failure)
    return seen_through(folder, record) if is_confined(folder) else record


def read_group(folder: Path) -> Path | None:
    """The control group that the command of a launch is born in; None when there is none."""
    try:
        return Path(os.fsdecode((folder / "group").read_bytes()))
    except OSError:
        return None


def entomb(folder: Path) -> bool:
    """Claim a launch for nobody. True when it has not started and never will.

    Raises:
        StorageFailed: the claim could not be written; the launch may still start.
    """
    if (folder / "claim").exists() and (claim := read_claim(folder)) is not None:
        return claim.tombstone
    tombstone = {"protocol": PROTOCOL, "tombstone": True, "boot_id": boot_id()}
    temporary = folder / f"tombstone.{os.getpid()}.{threading.get_ident()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(temporary, json.dumps(tombstone).encode() + b"\n", durable=True)
        try:
            os.link(temporary, folder / "claim")
        except FileExistsError:
            claim = read_claim(folder)
            return claim is not None and claim.tombstone
        finally:
            temporary.unlink()
        _sync(folder)
    except OSError as problem:
        raise StorageFailed(
            f"the launch in {folder} could not be withdrawn: {problem.strerror}; it may still start; "
            "mend the disk and start the daemon again"
        ) from problem
    return True


def discard(folder: Path) -> None:
    """Delete a folder of launches that are over.

    Their orders go first: a supervisor so late that it finds its place free again finds no order either.
    """
    for order in folder.glob("*/launch.json"):
        if (group := read_group(order.parent)) is not None:
            groups.remove(group)
        order.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def write_file(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file only its owner can read; whoever has it open keeps what it was."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
        target.write(content)
        if durable:
            target.flush()
            os.fsync(target)
    temporary.replace(path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _try_lock(folder: Path, how: int) -> bool:
    """Take the claim's lock and let go of it; False when its owner has it."""
    try:
        handle = os.open(folder / "claim", os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, how)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _json_object(raw: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
