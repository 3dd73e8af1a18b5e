"""Where the cases happen: one repository with a branch for each layout, one home, one daemon.

All of it is asked through the real command line. Nothing of whoever runs the corpus takes part, and
when the stage is left its daemon and everything it started is gone.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.verdicts.case import AGENT, Case
from tests.verdicts.layouts import LAYOUTS, Layout

from codencer.model.step import StepState

SOURCE = Path(__file__).resolve().parents[2] / "src"
SECONDS = 300
"""For all cases together, on a very busy machine."""
RUN = "corpus"
_KEPT = ("TZ", "PYTHONPYCACHEPREFIX")
_GIT_CONFIG = "[user]\n\tname = Corpus\n\temail = corpus@localhost\n[init]\n\tdefaultBranch = main\n"
_FURNITURE = {
    ".tools/runner": "exec sh tests/run.sh\n",
    ".codencer/workspace.json": json.dumps({"provisioning": {"copy": [".tools/runner"]}}),
}
_CONFIG = """\
trust = "always"
default_adapter = "script"
grace_seconds = 1
[adapters.script]
command = {agent}
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a case, and the words of the result about it."""

    case: Case
    state: StepState
    summary: str

    @property
    def right(self) -> bool:
        return self.state is self.case.right


@dataclass(frozen=True, kw_only=True)
class Stage:
    folder: Path
    env: dict[str, str] = field(repr=False)

    @property
    def top(self) -> Path:
        """The user's checkout, from which all tasks are submitted."""
        return self.folder / "repository"

    @property
    def furnished(self) -> Path:
        """A checkout of it from which files are copied into each workspace."""
        return self.folder / "furnished"

    def cli(self, *words: str, stdin: str = "", cwd: Path | None = None) -> Any:
        """Run `codencer … --json` and return its one document, whatever the exit code says."""
        done = self._run([sys.executable, "-P", "-m", "codencer.cli.main", *words, "--json"], stdin, cwd)
        try:
            return json.loads(done.stdout)
        except ValueError as problem:
            raise AssertionError(f"codencer {' '.join(words)}: {done}") from problem

    def git(self, *words: str, stdin: str = "") -> str:
        done = self._run(["git", *words], stdin)
        assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def play(self, cases: Sequence[Case], *, careless: bool = False) -> list[Outcome]:
        """Submit all cases, wait until the last one is settled, and return what came of each."""
        self.cli("run", "start", RUN)
        with ThreadPoolExecutor(2) as pool:
            ids = list(pool.map(partial(self._submit, careless=careless), cases))
        self.cli("run", "wait", RUN, "--timeout", str(SECONDS))
        found = {step["id"]: step for step in self.cli("step", "list", RUN)}
        states = [StepState(found[each]["state"]) for each in ids]
        return [
            Outcome(case=case, state=state, summary="" if state is case.right else self._summary(step))
            for case, step, state in zip(cases, ids, states, strict=True)
        ]

    def look(self) -> tuple[str, ...]:
        """Everything of the user's that no agent may change."""
        status = self.git("status", "--porcelain", "--untracked-files=all")
        refs = self.git("for-each-ref", "refs/heads", "refs/tags", "refs/stash", "refs/replace")
        return self.git("rev-parse", "HEAD"), status, refs, (self.top / ".git" / "config").read_text()

    def _submit(self, case: Case, *, careless: bool) -> str:
        overlay = str(self.folder / "held-out" / case.layout.name)
        document = case.careless() if careless else case.document(overlay)
        task = json.dumps({"base": case.layout.name, **document})
        step = self.cli(
            "submit", RUN, "--task-json", "-", stdin=task, cwd=self.furnished if case.furnished else None
        )
        assert "id" in step, f"{case.name} was refused: {step}"
        return str(step["id"])

    def _summary(self, step: str) -> str:
        result = self.cli("step", "result", step)
        checks = [f"{each['name']} {each['state']} {each['error'] or ''}" for each in result["validations"]]
        return "; ".join([str(result["summary"]), *checks, f"see step {step}"])

    def _run(
        self, words: list[str], stdin: str, cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            words,
            cwd=cwd or self.top,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS + 10,
            check=False,
        )


@contextmanager
def stage() -> Iterator[Stage]:
    """Furnish a stage; it is removed in the end."""
    root = Path("/var/tmp") if os.access("/var/tmp", os.W_OK) else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="verdicts-", dir=root))
    runtime = tempfile.mkdtemp(prefix="cdv-", dir="/tmp")  # a socket's path has 107 bytes at most
    made = Stage(folder=folder, env=_environment(folder, runtime))
    try:
        _furnish(made, LAYOUTS)
        yield made
    finally:
        if (made.top / ".git").exists():
            made.cli("stop", "--kill")
        shutil.rmtree(runtime)
        shutil.rmtree(folder)


def _environment(folder: Path, runtime: str) -> dict[str, str]:
    home = folder / "home"
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_RUNTIME_DIR": runtime,
        "PYTHONPATH": str(SOURCE),
        "CODENCER_PORT": "0",
    }


def _furnish(stage: Stage, layouts: Iterable[Layout]) -> None:
    settings = stage.folder / "home" / "config" / "codencer"
    settings.mkdir(parents=True)
    (settings / "config.toml").write_text(_CONFIG.format(agent=json.dumps(AGENT)))
    (settings.parents[1] / ".gitconfig").write_text(_GIT_CONFIG)
    _lay(stage.top, {"README.md": "The user's checkout.\n", ".gitignore": "/.tools/\n/.codencer/\n"})
    stage.git("init", "--quiet", "--template=")
    # As on a file system that does not tell letters apart, which some of the cases are about.
    stage.git("config", "core.ignoreCase", "true")
    stage.git("add", "--all")
    stage.git("commit", "--quiet", "--message", "The user's checkout")
    stage.git("worktree", "add", "--quiet", "--detach", str(stage.furnished))
    _lay(stage.furnished, _FURNITURE)
    for layout in layouts:
        _branch(stage, layout)
        _lay(stage.folder / "held-out" / layout.name, layout.held_out)


def _branch(stage: Stage, layout: Layout) -> None:
    """A branch with the files of a layout and no other history."""
    stream = [
        "commit refs/heads/" + layout.name,
        "committer Corpus <corpus@localhost> 0 +0000",
        "data 5",
        "first",
    ]
    for path, text in layout.files.items():
        stream += [f"M 100644 inline {path}", f"data {len(text.encode())}", text]
    stage.git("fast-import", "--quiet", stdin="\n".join([*stream, ""]))


def _lay(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
