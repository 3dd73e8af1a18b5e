"""The first level of the sandbox: bubblewrap around the command of a launch.

The supervisor stays outside, and so does the relay of a two-way launch; what they start is bubblewrap,
which makes namespaces of its own for mounts, processes and users, and then the command in them. A
launch whose order has no confinement runs as it is; one that has is never started without.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from codencer.errors import LaunchFailed
from codencer.model.launch import Confinement
from codencer.process.commands import Bounds, run
from codencer.process.confined import STATUS
from codencer.process.folder import write_file
from codencer.process.mounts import FIRST_COPY, options

MOUNTS = "mounts"
"""File of a launch folder: options of bubblewrap, too many for a line that people read in `ps`."""
HOW_TO_GET = "install bubblewrap (apt-get install bubblewrap, dnf install bubblewrap, pacman -S bubblewrap)"

# bubblewrap dies of the TERM that asks the command to end, and the kernel would end all the rest with it.
_OUTSIDE = f'trap "" TERM; exec "$@" 3>{STATUS} 4<{MOUNTS}'
_INSIDE = ("env", "--default-signal=TERM")  # coreutils 8.31
_NAMESPACES = ("--unshare-user", "--unshare-pid", "--die-with-parent", "--cap-drop", "ALL")
_BOUNDS = Bounds(stall_seconds=10, output_bytes=1024 * 1024)


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """What confines launches here: `program` is bubblewrap. Without it `problem` says what is wrong."""

    program: str = ""
    problem: str = ""

    def wrap(self, argv: Sequence[str], confinement: Confinement, folder: Path, cwd: Path) -> list[str]:
        """The words that start `argv` confined, in `cwd`; they are to be run in the launch folder.

        Raises:
            LaunchFailed: nothing can be confined here. OSError: the folder cannot be written.
        """
        if self.problem:
            raise LaunchFailed(f"it was to run in a sandbox, and there is none: {self.problem}")
        mounts, copied = options(confinement)
        mounts += ["--chdir", os.path.abspath(cwd)]
        write_file(folder / MOUNTS, b"".join(os.fsencode(word) + b"\0" for word in mounts))
        opening = "".join(f'exec {FIRST_COPY + number}<"$1"; shift; ' for number in range(len(copied)))
        os.close(os.open(folder / STATUS, os.O_WRONLY | os.O_CREAT, 0o600))
        return [
            *("/bin/sh", "-c", opening + _OUTSIDE, "codencer-sandbox", *copied),
            *(self.program, *_NAMESPACES, "--json-status-fd", "3", "--args", "4", "--"),
            *_INSIDE,
            # env takes a word with an equals sign for a variable.
            *(("/bin/sh", "-c", 'exec "$0" "$@"') if "=" in argv[0] else ()),
            *argv,
        ]


NO_SANDBOX = Sandbox(problem="nobody looked for one")


def find_sandbox(environ: Mapping[str, str]) -> Sandbox:
    """Look for bubblewrap on PATH and try it once; blocks for some 10 ms, the first time."""
    return _tried(environ.get("PATH", os.defpath))


@cache
def _tried(path: str) -> Sandbox:
    program = shutil.which("bwrap", path=path)
    if program is None:
        return Sandbox(problem=f"bwrap was not found on PATH; {HOW_TO_GET}")
    trial = (program, *_NAMESPACES, *options(Confinement())[0], "--", *_INSIDE, "true")
    try:
        done = run(trial, env={"PATH": path}, bounds=_BOUNDS)
    except LaunchFailed as problem:
        return Sandbox(problem=f"{program} does not work here: {problem.message}")
    if done.code != 0:
        said = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.code}"
        return Sandbox(
            problem=f"{program} does not work here: {said}; user namespaces must be allowed (in a container "
            "they often are not), and env must be that of coreutils 8.31 or newer"
        )
    return Sandbox(program=os.path.abspath(program))
