"""Whether the comparison is fair: the git calls, fsyncs and spawns of one step, bridge and bare.

Both are traced for a few steps; each step begins with `git config`, so the calls between the
last two of those are exactly one. Needs strace; without it nothing is claimed.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.bridge import bridge
from bench.figures import Figure
from bench.scene import Scene, Unmeasured

BEGINNING = "git config"
STEPS = 3
"""The first one pins the base and makes folders; the second is as all that follow; then a last beginning."""

_SYNC = re.compile(r"^\d+ +(?:\S+ +)?(fsync|fdatasync|sync_file_range|syncfs|sync)\(")
_EXEC = re.compile(r'^\d+ +(?:\S+ +)?execve\("([^"]+)", \["[^"]*"(.*)')
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


def measure(scene: Scene, quick: bool) -> list[Figure]:
    """One figure: how many pieces of work only one of the two does; 0 means a fair comparison."""
    del quick
    found = counted(scene)
    if found is None:
        return []
    ours, bare = found
    difference = (ours - bare) + (bare - ours)
    return [
        Figure(
            group="work",
            name="work of a step that only one side does",
            value=difference.total(),
            unit="calls",
            goal=0,
            beside=_in_words(ours)
            if not difference
            else f"bridge {dict(ours - bare)}, bare {dict(bare - ours)}",
        )
    ]


def counted(scene: Scene) -> tuple[Counter[str], Counter[str]] | None:
    """The work of one step of the bridge and of the bare script; None without strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    top = scene.repository(50)
    trace = scene.folder / "bridge.trace"
    with bridge(scene, top, under=tracer(strace, trace)) as running:
        for _ in range(STEPS):
            running.step()
    ours = one_step(trace.read_text("utf-8", "replace").splitlines())
    return ours, one_step(_trace_bare(strace, scene, top))


def one_step(trace: Iterable[str]) -> Counter[str]:
    """Count what lies between the last two beginnings of a trace."""
    return Counter(filter(None, map(_named, last_whole_step(trace))))


def last_whole_step(trace: Iterable[str]) -> list[str]:
    """The lines between the last two beginnings of a trace, the first one included."""
    steps: list[list[str]] = []
    for line in trace:
        if _named(line) == BEGINNING:
            steps.append([])
        if steps:
            steps[-1].append(line)
    if len(steps) < STEPS:
        raise Unmeasured(f"the trace shows {len(steps)} steps of {STEPS}")
    return steps[-2]


def tracer(strace: str, trace: Path) -> list[str]:
    """The words in front of a command that write its calls, with the files they are about, to `trace`."""
    calls = "trace=execve,fsync,fdatasync,sync_file_range,syncfs,sync"
    return [strace, "-f", "-qq", "-y", "-s", "64", "-e", "signal=none", "-e", calls, "-o", os.fspath(trace)]


def _trace_bare(strace: str, scene: Scene, top: Path) -> Sequence[str]:
    trace = scene.folder / "bare.trace"
    script = [sys.executable, "-m", "bench.bare", str(top), str(scene.folder / "bare-traced"), str(STEPS)]
    environ = scene.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run([*tracer(strace, trace), *script], env=environ, check=True)
    return trace.read_text("utf-8", "replace").splitlines()


def _named(line: str) -> str:
    """What a line of the trace is counted as, "" when it is no work."""
    if found := _SYNC.match(line):
        # A commit of the ledger is the one kind of write that needs no metadata.
        return found[1]
    if (found := _EXEC.match(line)) and " = -1 " not in line:
        program = os.path.basename(found[1])
        words = [*_WORD.findall(found[2]), ""]
        return (
            f"git {words[0]}" if program == "git" else f"spawn {'python' if 'python' in program else program}"
        )
    return ""


def _in_words(work: Counter[str]) -> str:
    git = sum(number for name, number in work.items() if name.startswith("git "))
    syncs = work["fsync"] + work["fdatasync"]
    spawns = sum(number for name, number in work.items() if name.startswith("spawn "))
    return f"both: {git} git calls, {syncs} durable writes, {spawns} other programs"
