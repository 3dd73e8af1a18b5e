"""Provisioning: what a project wants laid into every fresh checkout.

Everything comes from the caller's checkout and goes into the workspace; no path and no symlink on
the way leads out of either. Commands are only read here; the engine launches them.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from codencer.errors import InvalidInput, StorageFailed
from codencer.model.step import ProvisioningSpec
from codencer.workspace.provision_files import read_provisioning

__all__ = ["Laid", "lay_out", "read_provisioning"]


@dataclass(frozen=True, kw_only=True)
class Laid:
    """One log line for each thing laid; the paths copied that look like environment files; the symlinks."""

    log: tuple[str, ...] = ()
    environment_files: tuple[str, ...] = ()
    symlinks: tuple[str, ...] = ()


def lay_out(spec: ProvisioningSpec, workspace: Path) -> Laid:
    """Copy and link into a fresh workspace what the specification names; the hook is not run here.

    Raises:
        InvalidInput: a source is missing, or a way leads out of the checkout or the workspace.
        StorageFailed: the workspace cannot be written.
    """
    if not spec.source:
        return Laid()
    source = Path(spec.source)
    checkout = source.parent.parent if source.parent.name == ".codencer" else source.parent
    log = []
    try:
        for name in spec.copy:
            count = _copy(_inside(checkout, name, spec), _target(workspace, name, spec))
            log.append(f"copied {name} ({count} files)" if count != 1 else f"copied {name}")
        for name in spec.symlinks:
            _inside(checkout, name, spec)
            _target(workspace, name, spec).symlink_to(checkout / name)
            log.append(f"linked {name} to {checkout / name}")
    except OSError as cause:
        raise StorageFailed(f"The workspace {workspace} cannot be provisioned: {cause}.") from cause
    files = tuple(name for name in spec.copy if PurePosixPath(name).name.startswith(".env"))
    return Laid(log=tuple(log), environment_files=files, symlinks=spec.symlinks)


def _inside(checkout: Path, name: str, spec: ProvisioningSpec) -> Path:
    path = checkout / name
    real = Path(os.path.realpath(path))
    if not os.path.lexists(real):
        raise InvalidInput(
            f"{spec.source} names {name}, which is not in {checkout}. Make it, or remove that line."
        )
    if not real.is_relative_to(os.path.realpath(checkout)):
        raise InvalidInput(f"{spec.source} names {name}, which leads out of {checkout} to {real}.")
    return real


def _target(workspace: Path, name: str, spec: ProvisioningSpec) -> Path:
    """The free path in the workspace for something to lay; a tracked file or link there gives way."""
    root = Path(os.path.realpath(workspace))
    target = root / name
    if not Path(os.path.realpath(target.parent)).is_relative_to(root):
        raise InvalidInput(
            f"{spec.source} names {name}, whose folder in the base leads out of the workspace."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or target.is_file():
        target.unlink()
    return target


def _copy(source: Path, target: Path) -> int:
    """Copy a file, or a folder with all in it; symlinks below stay symlinks. Returns the number of files."""
    if not source.is_dir():
        _copy_file(source, target)
        return 1
    count = 0
    target.mkdir(exist_ok=True)
    for each in sorted(source.iterdir()):
        into = target / each.name
        if into.is_symlink() or (into.is_file() and not each.is_dir()):
            into.unlink()
        if each.is_symlink():
            into.symlink_to(each.readlink())
            count += 1
        elif each.is_dir() or each.is_file():
            count += _copy(each, into)
    shutil.copymode(source, target)
    return count


def _copy_file(source: Path, target: Path) -> None:
    # Nobody else may read a secret between its creation and the moment its mode is set.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with source.open("rb") as read, os.fdopen(os.open(target, flags, 0o600), "wb") as write:
        shutil.copyfileobj(read, write)
        os.fchmod(write.fileno(), os.fstat(read.fileno()).st_mode & 0o7777)
