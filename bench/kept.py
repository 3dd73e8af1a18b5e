"""The results as they are kept, with the kind of machine they come from: no names, no paths."""

import json
import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw

from bench.figures import Figure
from bench.scene import Scene
from codencer.ledger.filesystem import file_system_of


def machine(scene: Scene) -> dict[str, Any]:
    """What kind of machine and which programs these numbers belong to."""
    memory = re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    model = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model[0] if model else platform.machine(),
        "memory_gb": round(int(memory[0]) / 1024**2) if memory else None,
        "file_system": file_system_of(scene.folder.resolve(), mounts),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "python": platform.python_version(),
        "git": scene.git(scene.folder, "version").removeprefix("git version "),
        "sqlite": apsw.sqlite_lib_version(),
    }


def write(path: Path, figures: Sequence[Figure], about: dict[str, Any]) -> None:
    """Write one document, replacing what is there."""
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **about,
        "figures": [figure.document() for figure in figures],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
