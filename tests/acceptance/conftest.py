"""A place to work in: a repository, a home, and the real `codencer` started as a process.

Every place has an environment of its own, so one that is shared by several tests outlives the
home that each test gets. Daemons are stopped, with their agents, when the place is left.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import codencer

SOURCE = Path(codencer.__file__).parents[1]
SECONDS = 50


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Place:
    top: Path
    env: dict[str, str] = field(repr=False)

    @property
    def state(self) -> Path:
        return self.top / ".git" / "codencer"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "codencer.cli.main", *words]

    def run(
        self,
        *words: str,
        stdin: str | bytes = b"",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Done:
        """Run `codencer` with these words to its end."""
        done = subprocess.run(
            self.command(*words),
            cwd=cwd or self.top,
            env=self.env | dict(env or {}),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def json(self, *words: str, code: int = 0, stdin: str = "") -> Any:
        """Run `codencer … --json`, expect this exit code, and return the one document."""
        done = self.run(*words, "--json", stdin=stdin)
        assert done.code == code, done
        return done.json

    def open(self, *words: str, env: Mapping[str, str] | None = None, **more: Any) -> "subprocess.Popen[str]":
        """Start `codencer` and leave it running."""
        return subprocess.Popen(
            self.command(*words),
            cwd=self.top,
            env=self.env | dict(env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def daemon(self, *flags: str, **more: Any) -> "subprocess.Popen[str]":
        """Start `codencerd` itself."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "codencer.daemon", *flags],
            cwd=self.top,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.top, env=self.env, capture_output=True, text=True, check=True
        )
        return done.stdout


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where started processes keep compiled modules: compiling them again each time is slow."""
    return tmp_path_factory.mktemp("bytecode")


@contextmanager
def place_in(folder: Path, bytecode: Path, files: Mapping[str, str]) -> Iterator[Place]:
    top, home = folder / "repo", folder / "home"
    runtime = tempfile.mkdtemp(prefix="cdr-", dir="/tmp")
    home.mkdir(parents=True)
    shutil.copy(Path(os.environ["HOME"]) / ".gitconfig", home / ".gitconfig")
    # Tests meet their agents in pipes and files of their own: in a sandbox these are opened, and no more.
    settings = home / ".config" / "codencer" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[adapters.simulation]\nwrite = ["{Path(os.environ["HOME"]).parent}"]\n')
    dropped = ("CODENCER", "XDG", "GIT", "PYTHONDONTWRITEBYTECODE")
    env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    env |= {
        "HOME": str(home),
        "XDG_RUNTIME_DIR": runtime,
        "PYTHONPATH": str(SOURCE),
        "PYTHONPYCACHEPREFIX": str(bytecode),
        "CODENCER_PORT": "0",
    }
    place = Place(top, env)
    top.mkdir()
    place.git("init", "--quiet", "--template=", ".")
    for name, text in {"README.md": "A repository.\n", **files}.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    place.git("add", "--all")
    place.git("commit", "--quiet", "--message", "first")
    try:
        yield place
    finally:
        place.run("stop", "--kill")
        shutil.rmtree(runtime, ignore_errors=True)


@pytest.fixture(scope="session")
def open_place(bytecode: Path) -> Callable[[Path, Mapping[str, str]], AbstractContextManager[Place]]:
    """`with open_place(folder, files) as place`: for tests that need several."""
    return lambda folder, files: place_in(folder, bytecode, files)


@pytest.fixture
def place(tmp_path: Path, bytecode: Path) -> Iterator[Place]:
    """A repository of this test's own, without a daemon yet."""
    with place_in(tmp_path, bytecode, {}) as made:
        yield made


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, bytecode: Path, session_home: Path) -> Iterator[Place]:
    """A repository whose daemon already runs, for tests that leave it as it is."""
    with place_in(tmp_path_factory.mktemp("shared"), bytecode, {}) as made:
        started = made.run("start")
        assert started.code == 0, started
        yield made


@pytest.fixture
def new_run(shared: Place) -> Callable[[], str]:
    """Starts a run in the shared place and returns its id."""
    return lambda: str(shared.json("run", "start")["id"])


Words = Sequence[str]
