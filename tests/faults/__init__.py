"""Disks that fail and clocks that are set, as a process under test sees them; the machine's own stay.

A small library of ours is compiled once and loaded into the process with LD_PRELOAD (shim.c). What it
does is said through a mapped file, so a fault begins and ends between two system calls.
"""

import mmap
import shutil
import struct
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
_CONTROL = struct.Struct("=iiiiq")


def why_not() -> str:
    """Why there can be no faults here; empty when there can."""
    if sys.platform != "linux":
        return "LD_PRELOAD and /proc are Linux's"
    return "" if shutil.which("cc") else "there is no C compiler (cc) here"


def compiled(folder: Path) -> Path:
    """The library, compiled into a folder if it is not there."""
    library = folder / "faults.so"
    if not library.exists():
        draft = folder / "faults.draft.so"
        subprocess.run(
            ["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", draft, SOURCE, "-ldl"], check=True
        )
        draft.rename(library)
    return library


class Faults:
    """What goes wrong in the processes that get `environment`."""

    def __init__(self, library: Path, control: Path, below: tuple[Path, ...] = ()) -> None:
        control.write_bytes(bytes(_CONTROL.size))
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _CONTROL.size)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAULTS_CONTROL": str(control),
            "FAULTS_BELOW": ":".join(map(str, below)),
        }

    def fail(self, error: int, *, after: int = 0, times: int = 0, flushes: bool = False) -> None:
        """Let every write below the folders fail with this errno; 0 mends.

        Args:
            after: how many go through before.
            times: how often it fails; 0 is for ever.
            flushes: only what asks the disk to keep what was written fails, and counts.
        """
        *_, shift = _CONTROL.unpack(self._map)
        self._map[:] = _CONTROL.pack(0, 0, 0, 0, shift)
        self._map[:] = _CONTROL.pack(error, after, times, flushes, shift)

    def mend(self) -> None:
        self.fail(0)

    def set_clock(self, seconds: float) -> None:
        """Show the clock so many seconds ahead of the machine's, or behind."""
        *fault, _ = _CONTROL.unpack(self._map)
        self._map[:] = _CONTROL.pack(*fault, int(seconds * 1e9))
