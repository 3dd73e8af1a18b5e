"""Letting go of workspaces: a rename into the trash now, the deletion later.

Deleting never follows a symlink and never stops at a folder that an agent made read-only.
"""

import os
import shutil
import stat
from pathlib import Path

from codencer.errors import LaunchFailed, StorageFailed
from codencer.failpoints import reach
from codencer.process.commands import run


def release(workspace: Path, trash: Path) -> None:
    """Move a workspace into the trash folder; one that is gone is no error.

    Raises:
        StorageFailed: it cannot be moved; it is still whole where it was.
    """
    target = trash / f"{workspace.name}.{os.urandom(6).hex()}"
    try:
        trash.mkdir(parents=True, exist_ok=True, mode=0o700)
        if stat.S_ISDIR(workspace.lstat().st_mode):
            # Moving a folder rewrites its "..", which needs the right to write into it.
            workspace.chmod(stat.S_IRWXU)
        reach("workspace.release:before")
        workspace.rename(target)
        reach("workspace.release:after")
    except FileNotFoundError:
        return
    except OSError as cause:
        raise StorageFailed(f"The workspace {workspace} cannot be moved to {trash}: {cause}.") from cause


def changed_since(workspace: Path, moment_us: int) -> Path | None:
    """Return a file of the workspace that was written, made or renamed after a moment, if there is one.

    The kernel's time of change is looked at, which no program can set back. Folders are not: moving a
    workspace to the trash changes them.

    Args:
        moment_us: UTC microseconds.
    """
    for folder, _, files in os.walk(workspace):
        for name in files:
            path = Path(folder, name)
            if path.lstat().st_ctime_ns // 1000 > moment_us:
                return path
    return None


def empty_trash(trash: Path) -> None:
    """Delete everything in the trash folder.

    Raises:
        StorageFailed: something could not be deleted; the next call tries again.
    """
    kept = []
    for each in list(trash.iterdir()) if trash.is_dir() else ():
        try:
            discard(each)
        except OSError as cause:
            kept.append(f"{each.name} ({cause})")
    if kept:
        raise StorageFailed(f"Could not delete from {trash}: {', '.join(kept[:5])}; it is tried again later.")


def discard(path: Path) -> None:
    """Delete a file, symlink or whole folder, if it is there; raises OSError."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError) as cause:
        _discard_by_force(path, cause)


def _discard_by_force(path: Path, cause: BaseException) -> None:
    """Have chmod and rm do it: they go deeper than Python's stack and than the longest path name."""
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    try:
        run(["chmod", "-R", "u+rwX", "--", os.fspath(path)], env=env)
        done = run(["rm", "-rf", "--", os.fspath(path)], env=env)
    except LaunchFailed as failure:
        raise OSError(str(failure)) from cause
    if done.code != 0:
        raise OSError(done.stderr.decode("utf-8", "replace").strip()[:500]) from cause
