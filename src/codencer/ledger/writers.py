"""Who holds the lock that a writer of the ledger needs; asks the kernel and takes no lock itself."""

import fcntl
import os
import struct
import sys
from pathlib import Path

WAL_WRITE_LOCK = 120
"""Its byte in the shared memory file (https://sqlite.org/walformat.html, section 2.3.1)."""
_FLOCK = "hhqqi4x"
"""`struct flock` of 64-bit Linux: type, whence, start, length, pid."""


def writing_process(path: Path) -> int | None:
    """The process that holds the write lock of the ledger at `path` now; 0 when it is of another container.

    Not to be called where this process has the ledger open: closing any descriptor of the file would
    drop its own locks.
    """
    if sys.platform != "linux":
        return None  # the record of a lock looks different there
    try:
        descriptor = os.open(path.with_name(f"{path.name}-shm"), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None  # nobody has it open
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, WAL_WRITE_LOCK, 1, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else int(pid)
