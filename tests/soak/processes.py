"""The machine's processes as anybody can see them: whose they are, and whether they are gone."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARKER = b"CODENCER_LAUNCH="


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A process of a launch: `launch` is the name of its folder, as `agent-1`."""

    pid: int
    attempt: str
    launch: str
    supervisor: bool
    line: str

    @property
    def role(self) -> str:
        """What is killed with it: supervisor of, the agent itself, a tool, a hook, a validation."""
        kind = self.launch.split("-")[0]
        if self.supervisor:
            return f"supervisor of {kind}"
        return "tool" if kind == "agent" and "agent.py" not in self.line else kind


def look(folder: Path, instance: str) -> Iterator[Seen]:
    """Every process of any launch of this instance, found by its marker or its launch folder."""
    prefix, launches = MARKER + instance.encode() + b"/", os.fsencode(folder) + b"/"
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            environ = (process / "environ").read_bytes().split(b"\0")
            # Between fork and exec a supervisor's child looks like the supervisor itself.
            forked = _parent_words(process) == words
        except OSError:
            continue
        line = b" ".join(words).decode("utf-8", "replace")
        for word in words:
            if word.startswith(launches) and word.endswith((b"/supervisor.pyc", b"/supervisor.py")):
                attempt, launch, _ = os.fsdecode(word).split("/")[-3:]
                yield Seen(
                    pid=int(process.name),
                    attempt=attempt,
                    launch=launch,
                    supervisor=not forked,
                    line=line,
                )
        for variable in environ:
            if variable.startswith(prefix):
                attempt, launch = variable.decode().split("/")[1:]
                yield Seen(pid=int(process.name), attempt=attempt, launch=launch, supervisor=False, line=line)


def _parent_words(process: Path) -> list[bytes]:
    parent = (process / "stat").read_bytes().rpartition(b")")[2].split()[1]
    return (process.parent / os.fsdecode(parent) / "cmdline").read_bytes().split(b"\0")


def runs(pid: int, ticks: int) -> bool:
    """Whether exactly this process lives; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    return int(stat[19]) == ticks and stat[0] not in (b"Z", b"X")
