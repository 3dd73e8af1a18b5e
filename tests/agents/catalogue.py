"""`requirements/agents.toml`: which programs there are, in which versions, and which adapters need them.

Each program has a folder of its own in the cache; what was installed there is told by a file that
is written last, so an installation that was cut off counts as none.
"""

import json
import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
PINNED = TOP / "requirements" / "agents.toml"
NODE = "node"
"""The program that runs the others: what Debian ships is too old for some of them."""
RECORD = "installed.json"


def cache() -> Path:
    """Where agents are installed: `.agents/` of the checkout, or what AGENTS_DIR says."""
    return Path(os.environ.get("AGENTS_DIR") or TOP / ".agents").absolute()


@dataclass(frozen=True, kw_only=True)
class Program:
    """One table: packages of one registry, the adapters tried with it, the programs it has to find."""

    name: str
    npm: tuple[str, ...] = ()
    pypi: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return cache() / self.name

    @property
    def bin(self) -> Path:
        """The folder of its executables."""
        return self.folder / ("bin" if self.pypi else "node_modules/.bin")

    @property
    def pins(self) -> dict[str, list[str]]:
        """What has to be installed, as it is recorded."""
        return {"npm": list(self.npm), "pypi": list(self.pypi)}

    @property
    def installed(self) -> bool:
        try:
            recorded: Any = json.loads((self.folder / RECORD).read_bytes())
        except (OSError, ValueError):
            return False
        return bool(recorded == self.pins)


def programs(path: Path = PINNED) -> dict[str, Program]:
    """Every table by name.

    Raises:
        ValueError: a table has an unknown key, or needs a program that is not there.
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {each.name for each in fields(Program)} - {"name"}
    for name, table in tables.items():
        if wrong := (table.keys() - known) | (set(table.get("needs", ())) - tables.keys()):
            raise ValueError(f"{path}: [{name}] has {', '.join(sorted(wrong))}, which is unknown")
    return {
        name: Program(name=name, **{key: tuple(value) for key, value in table.items()})
        for name, table in tables.items()
    }


def needed(program: Program, known: dict[str, Program]) -> list[Program]:
    """A program and all that it has to find, node included where it is one of npm's."""
    names = [program.name, *program.needs, *([NODE] if program.npm else [])]
    return [known[name] for name in dict.fromkeys(names)]
