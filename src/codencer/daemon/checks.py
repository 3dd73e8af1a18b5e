"""`codencerd --check`: what can be done without a daemon, as one JSON document on stdout.

`ledger` verifies the whole record; `doctor` looks at everything a daemon would need; `purge` lists all
that is kept for the repository. Nothing is changed and nothing is created, unless `--act` asks for it.
"""

import os
import re
from typing import Any

from codencer.config import Config
from codencer.daemon.faults import Check, faults, store_of
from codencer.daemon.purge import purge
from codencer.daemon.repair import repair
from codencer.engine.catalogue import adapters
from codencer.errors import CodencerError
from codencer.ledger import verify
from codencer.model.codec import encode
from codencer.process.sandbox import find_sandbox
from codencer.workspace.git import Git

CHECKS = ("ledger", "doctor", "purge")
LEAST_GIT = (2, 38)
"""The first with `git merge-tree --write-tree`."""


def run_check(config: Config, what: str, *, act: bool = False, kill: bool = False) -> tuple[Any, int]:
    """Return the document of a check, and the exit code it stands for.

    Args:
        act: mend what the doctor finds, or purge what would go.
        kill: the purge ends what is at work.
    """
    if what == "ledger":
        report = verify(config.db_path)
        return {"ok": report.ok, **encode(report)}, 0 if report.ok else 2
    if what == "purge":
        return purge(config, act=act, kill=kill), 0
    mended = (
        [Check(name="repaired", ok=True, detail=line, needed=False) for line in repair(config)] if act else []
    )
    checks = [*mended, *_git(config), _sandbox(config), *faults(config), *_adapters(config)]
    return encode(checks), 0 if all(each.ok or not each.needed for each in checks) else 5


def _git(config: Config) -> list[Check]:
    """Whether git runs, and whether there is a commit to begin from."""
    git = Git(store_of(config), git_dir=config.repository.git_dir)
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


def _sandbox(config: Config) -> Check:
    """Whether agents and validations can be confined; else they run plain, or not at all with `bwrap`."""
    found = find_sandbox(os.environ)
    if config.sandbox == "none":
        return Check(name="sandbox", ok=True, detail="plain: sandbox = none", needed=False)
    if found.problem:
        needed = config.sandbox == "bwrap"
        detail = f"{'nothing is started' if needed else 'plain'}: {found.problem}"
        return Check(name="sandbox", ok=False, detail=detail, needed=needed)
    return Check(name="sandbox", ok=True, detail=f"sandboxed, by {found.program}", needed=False)


def _adapters(config: Config) -> list[Check]:
    """Each adapter; only the one that is used when a task names none is needed."""
    rows = adapters(config)
    found = [
        Check(
            name=f"adapter {row['name']}",
            ok=row["usable"],
            detail=_usable(row) if row["usable"] else row["problem"] or "its program was not found",
            needed=row["name"] == config.default_adapter and not config.simulates(row["name"]),
        )
        for row in rows
    ]
    default = config.default_adapter
    if default is not None and default not in {row["name"] for row in rows}:
        detail = (
            f"it is the default_adapter ({config.origin('default_adapter')}), and there is none of this name"
        )
        found.append(Check(name=f"adapter {default}", ok=False, detail=detail))
    return found


def _usable(row: dict[str, Any]) -> str:
    """The version, and what there is to know before it is relied on."""
    warnings = (f"warning: {each}" for each in row["warnings"])
    return "; ".join([row["version"] or "usable", *warnings])
