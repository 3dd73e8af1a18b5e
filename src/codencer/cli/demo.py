"""`codencer demo`: the main job from end to end, on a scratch repository, in a few seconds.

Three agents get the same task. One mends the program, one only says so, one hangs. Every
line shown is what the program really answered; nothing outside the scratch folder changes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from codencer.cli.group import Verb
from codencer.errors import Infrastructure

FILES = Path(__file__).parent / "demo_files"
AGENTS = ("fixer", "claimer", "sleeper")
TIMEOUT_SECONDS = 4
CONFIG = """\
[adapters.{name}]
command = ["{python}", "{agents}/{name}.py"]
"""


@dataclass(frozen=True)
class Stage:
    """The scratch folder: the repository, the agents, and an environment that keeps to it."""

    root: Path

    @property
    def repository(self) -> Path:
        return self.root / "shop-hours"

    @property
    def environ(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "CODENCER_"))
        }
        return kept | {
            "XDG_STATE_HOME": str(self.root / "state"),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CODENCER_PORT": "0",
            "CODENCER_GRACE_SECONDS": "1",
            "CODENCER_MAX_PARALLEL": "3",
        }

    def call(self, *argv: str) -> str:
        """Run a program in the repository and return what it printed."""
        done = subprocess.run(
            argv, cwd=self.repository, env=self.environ, capture_output=True, text=True, check=False
        )
        if done.returncode not in (0, 2, 3, 4):  # a verdict of any kind is what we came for
            raise Infrastructure(
                f"{' '.join(argv)} failed:\n{(done.stderr or done.stdout).strip()}\nThe demo stops here"
            )
        return done.stdout

    def git(self, *args: str) -> str:
        return self.call("git", *args)

    def codencer(self, *args: str) -> str:
        return self.call(sys.executable, "-m", "codencer.cli.main", *args)

    def json(self, *args: str) -> Any:
        return json.loads(self.codencer(*args, "--json"))


@click.command(cls=Verb)
@click.option(
    "--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep everything in this new folder."
)
def demo(keep: Path | None) -> None:
    """Show the main job on a scratch repository: one agent works, one claims, one hangs."""
    with _scratch(keep) as root:
        stage = Stage(root)
        _build(stage)
        try:
            _tell(stage, kept=keep is not None)
        finally:
            stage.codencer("stop", "--no-autostart")


@contextmanager
def _scratch(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    root = Path(tempfile.mkdtemp(prefix="codencer-demo-"))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _build(stage: Stage) -> None:
    shutil.copytree(FILES / "project", stage.repository)
    shutil.copytree(FILES / "agents", stage.root / "agents")
    folder = stage.repository / ".codencer"
    folder.mkdir()
    tables = (
        CONFIG.format(name=name, python=sys.executable, agents=stage.root / "agents") for name in AGENTS
    )
    (folder / "config.toml").write_text("\n".join(tables))
    (stage.repository / ".gitignore").write_text("__pycache__/\n")
    stage.git("init", "--quiet", "--initial-branch", "main")
    stage.git("config", "user.name", "Demo")
    stage.git("config", "user.email", "demo@example.invalid")
    stage.git("add", "--all")
    stage.git("commit", "--quiet", "--message", "Opening hours, with a bug in merge()")


def _say(text: str = "") -> None:
    click.echo(text)


def _title(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _tell(stage: Stage, *, kept: bool) -> None:
    before = stage.git("status", "--porcelain") + stage.git("rev-parse", "HEAD")
    _title("1. A small program with a real bug; its tests are red")
    _say(f"   {stage.repository}")
    tests = subprocess.run(
        [sys.executable, "-m", "unittest"], cwd=stage.repository, capture_output=True, text=True, check=False
    )
    _say(f"   python3 -m unittest: {tests.stderr.strip().splitlines()[-1]}")
    _title("2. Three agents get the same task at once, each in a checkout of its own")
    steps = _submit(stage)
    _title("3. The verdicts: from the tests, run by the bridge, not from what the agents say")
    results = {name: _verdict(stage, name, step) for name, step in steps.items()}
    _title("4. What the first agent changed")
    _say(_indented(stage.codencer("step", "diff", steps["fixer"])))
    _title("5. Its evidence, hashed and read-only")
    _evidence(stage, steps["fixer"])
    _title("6. Your checkout was not touched; the fix lands where you say")
    after = stage.git("status", "--porcelain") + stage.git("rev-parse", "HEAD")
    _say(f"   branch, index and files as before: {'yes' if before == after else 'NO'}")
    landed = stage.json("land", steps["fixer"], "--as", "branch", "fix-merge")
    _say(f"   codencer land … --as branch fix-merge: commit {landed['commit'][:12]}")
    _next(stage, results["fixer"], kept)


def _submit(stage: Stage) -> dict[str, str]:
    stage.codencer("trust")
    stage.codencer("run", "start", "demo", "shop-hours")
    steps = {}
    for name in AGENTS:
        task = {
            "step_id": name,
            "goal": "merge() in intervals.py loses minutes: make the tests pass.",
            "adapter_profile": name,
            "timeout_seconds": TIMEOUT_SECONDS,
            "validations": [
                {
                    "name": "tests",
                    "command": [sys.executable, "-m", "unittest", "-q"],
                    "protected_paths": ["test_*.py"],
                }
            ],
        }
        path = stage.root / f"{name}.json"
        path.write_text(json.dumps(task, indent=2))
        steps[name] = stage.json("submit", "demo", str(path))["id"]
        _say(f"   codencer submit demo {name}.json   → {steps[name]}")
    return steps


def _verdict(stage: Stage, name: str, step: str) -> dict[str, Any]:
    stage.codencer("step", "wait", step)
    result: dict[str, Any] = stage.json("step", "result", step)
    said = stage.codencer("step", "logs", step).strip().splitlines()
    _say(f"   {name:<8} said:    {said[-1] if said else '(nothing)'}")
    _say(f"   {'':<8} verdict: {click.style(result['state'], bold=True)} ({result['summary']})")
    for line in said:
        if line.startswith("started helper process "):
            gone = not Path("/proc", line.rpartition(" ")[2]).exists()
            _say(f"   {'':<8} its helper, in a session of its own: {'gone, too' if gone else 'STILL THERE'}")
    return result


def _evidence(stage: Stage, step: str) -> None:
    for artifact in stage.json("step", "artifacts", step):
        _say(f"   {artifact['sha256'][:16]}…  {artifact['size']:>7}  {artifact['name']}")


def _indented(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.rstrip().splitlines())


def _next(stage: Stage, result: dict[str, Any], kept: bool) -> None:
    _title("Next")
    if kept:
        _say(f"   cd {stage.repository} && git log --oneline --all")
        _say(f"   git show {result['snapshot_commit'][:12]}")
    else:
        _say("   codencer demo --keep DIR        the same, with everything left there to look at")
    _say("   and in a repository of yours:")
    _say('   codencer do "fix the failing test" --adapter NAME --validation "pytest -q"')
