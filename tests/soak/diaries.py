"""Reading what agents wrote down themselves, in files that no bridge knows of."""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Diary:
    starts: int = 0
    ended: bool = False
    tokens: list[tuple[str, str]] = field(default_factory=list)
    """(path, token), each written down only after the token was in the file."""
    commits: list[str] = field(default_factory=list)
    processes: list[tuple[int, int]] = field(default_factory=list)
    """(pid, start ticks) of the agent and of everything it left."""


def read(path: Path) -> Diary:
    """The diary of one attempt; empty when its agent never began."""
    diary = Diary()
    if not path.exists():
        return diary
    for line in path.read_bytes().splitlines():
        match json.loads(line):
            case {"start": process}:
                diary.starts += 1
                diary.processes.append((process["pid"], process["ticks"]))
            case {"child": process}:
                diary.processes.append((process["pid"], process["ticks"]))
            case {"wrote": where, "token": token}:
                diary.tokens.append((where, token))
            case {"committed": commit}:
                diary.commits.append(commit)
            case {"end": True}:
                diary.ended = True
    return diary
