"""`codencerd --check`: what can be found out without a daemon, as one JSON document on stdout.

`ledger` verifies the whole record; `doctor` looks at everything a daemon would need. Nothing is changed
and nothing is created.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codencer.config import Config
from codencer.engine.catalogue import adapters
from codencer.errors import CodencerError, NotFound
from codencer.ledger import VerifyReport, verify
from codencer.model.codec import encode
from codencer.workspace.git import Git
from codencer.workspace.store import Store

CHECKS = ("ledger", "doctor")
LEAST_GIT = (2, 38)
"""The first with `git merge-tree --write-tree`."""
LEAST_FREE_BYTES = 256 * 1024 * 1024
"""Below this a workspace and its evidence hardly fit."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of the doctor; `needed` ones must be ok for anything to work."""

    name: str
    ok: bool
    detail: str
    needed: bool = True


def run_check(config: Config, what: str) -> tuple[Any, int]:
    """Return the document of a check, and the exit code it stands for."""
    if what == "ledger":
        report = _verify(config)
        return {"ok": report.ok, **encode(report)}, 0 if report.ok else 2
    checks = [*_git(config), _disk(config), _ledger(config), *_adapters(config)]
    return encode(checks), 0 if all(each.ok or not each.needed for each in checks) else 5


def _verify(config: Config) -> VerifyReport:
    return verify(config.db_path)


def _git(config: Config) -> list[Check]:
    """Whether git runs, and whether there is a commit to begin from."""
    common_dir = config.repository.common_dir
    git = Git(Store(common_dir=common_dir, bridge_dir=common_dir), git_dir=config.repository.git_dir)
    try:
        words = git.text("version")
    except CodencerError as problem:
        return [Check(name="git", ok=False, detail=problem.message)]
    found = tuple(int(number) for number in re.findall(r"\d+", words)[:2])
    detail = words if found >= LEAST_GIT else f"{words}, but landing needs {LEAST_GIT[0]}.{LEAST_GIT[1]}"
    version = Check(name="git", ok=found >= LEAST_GIT, detail=detail)
    if git.ok("rev-parse", "--quiet", "--verify", "HEAD^{commit}"):
        return [version, Check(name="commit", ok=True, detail="there is one to begin from")]
    return [version, Check(name="commit", ok=False, detail="there is none yet: make a first commit")]


def _disk(config: Config) -> Check:
    for folder in (config.state_dir, config.artifact_root, config.workspace_root):
        there = _nearest(folder)
        if not os.access(there, os.W_OK | os.X_OK):
            return Check(name="disk", ok=False, detail=f"{there} cannot be written")
        free = shutil.disk_usage(there).free
        if free < LEAST_FREE_BYTES:
            detail = f"{there} has {free // 2**20} MiB left; {LEAST_FREE_BYTES // 2**20} are needed"
            return Check(name="disk", ok=False, detail=detail)
    return Check(name="disk", ok=True, detail="state, artifacts and workspaces can be written")


def _nearest(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def _ledger(config: Config) -> Check:
    try:
        report = _verify(config)
    except NotFound:
        return Check(name="ledger", ok=True, detail="none yet; the first start makes it")
    except CodencerError as problem:
        return Check(name="ledger", ok=False, detail=problem.message)
    detail = f"{report.events} events, chain and tables hold" if report.ok else str(report.fault)
    return Check(name="ledger", ok=report.ok, detail=detail)


def _adapters(config: Config) -> list[Check]:
    """Each adapter; only the one that is used when a task names none is needed."""
    found = []
    for row in adapters(config):
        name = row["name"]
        detail = row["version"] if row["installed"] else row["problem"]
        needed = name == config.default_adapter and not config.simulates(name)
        found.append(
            Check(name=f"adapter {name}", ok=row["installed"], detail=detail or "usable", needed=needed)
        )
    return found
