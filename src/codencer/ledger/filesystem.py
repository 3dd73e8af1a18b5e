"""Where a ledger may not live: SQLite's WAL needs memory shared by all its processes.

Network and cluster file systems do not give it, and corrupt the database silently instead
of failing, so they are refused by name (https://sqlite.org/wal.html, section 1). Also here:
making a file or directory durable.
"""

import os
import re
from pathlib import Path

from codencer.errors import StorageFailed

_REFUSED = frozenset(
    (
        *("9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "cvmfs", "gfs2", "gpfs", "lustre", "ncpfs"),
        *("nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf"),
    )
)
_LOCAL_FUSE = frozenset(
    {"fuse", "fuse.bindfs", "fuse.fuse-overlayfs", "fuse.ntfs", "fuse.ntfs-3g", "fuse.lxcfs"}
)
_MOUNT_POINT = 4
"""The fifth field of a line of mountinfo."""
_OCTAL = re.compile(r"\\([0-7]{3})")


def file_system_of(path: Path, mountinfo: str) -> str:
    """Return the type of the file system that holds `path` (resolved), or "" when unknown.

    `mountinfo` is text in the format of proc(5), /proc/PID/mountinfo.
    """
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if not separator or len(fields) <= _MOUNT_POINT or not rest:
            continue
        point = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[_MOUNT_POINT]))
        # A later mount on the same point hides an earlier one, hence "at least as long".
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), rest[0]
    return kind


def is_remote(kind: str) -> bool:
    """Whether several machines could share a file system of this type."""
    return kind in _REFUSED or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE)


def refuse_network(path: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> None:
    """Check that the file at `path`, existing or not, is or will be on a local disk.

    Raises:
        StorageFailed: it is on a network file system.
    """
    try:
        # Mount points are bytes; the escape keeps names that are not UTF-8 comparable.
        text = mountinfo.read_text("utf-8", "surrogateescape")
    except OSError:
        return  # Not Linux: nothing cheap tells, and SQLite still checks its locks.
    kind = file_system_of(path.resolve(), text)
    if is_remote(kind):
        raise StorageFailed(
            f"the ledger cannot be kept at {path}: it is on a network file system ({kind}), where SQLite's "
            "write-ahead log corrupts the database. Nothing was written; set db_path to a local disk."
        )


def sync(path: Path) -> None:
    """Make a file's content, or a directory's entries, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
