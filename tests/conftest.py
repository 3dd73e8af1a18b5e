"""What every test gets: a home of its own, a clean environment, real git repositories.

Nothing a test does can reach the home, the git settings or the daemon of whoever runs the
tests: HOME and the XDG folders are temporary, once for the session (for fixtures that outlive
a test) and again for each test.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from tests.faults import compiled

from codencer.process.sandbox import Sandbox, find_sandbox

# How long one example takes says nothing on a busy machine; pytest-timeout bounds the whole test.
hypothesis.settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("house")

# A shell's background job is born ignoring this signal, and all it starts inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MakeRepo = Callable[..., Path]

_GIT_CONFIG = """\
[user]
    name = Test Person
    email = person@example.com
[init]
    defaultBranch = main
[maintenance]
    auto = false
"""
_NOT_OURS = re.compile(
    r"(GIT|CODENCER|XDG|PYTEST_ADDOPTS|COV)(_.*)?"
    r"|(HOST|PORT|LOG_LEVEL|DB_PATH|ARTIFACT_ROOT|WORKSPACE_ROOT|REPO_ROOT|ORCHESTRATORD_URL)"
    r"|.*_SIMULATION_MODE|.*_BINARY"
    r"|(COLUMNS|LINES|NO_COLOR|FORCE_COLOR|CLICOLOR|CLICOLOR_FORCE|PAGER|EDITOR|VISUAL)"
)
"""Variables of whoever runs the tests that would change what git, the daemon or the CLI do."""


def _settle_in(patch: pytest.MonkeyPatch, home: Path) -> Iterator[Path]:
    """Point everything that belongs to a person at `home` until resumed."""
    for name in list(os.environ):
        if _NOT_OURS.fullmatch(name):
            patch.delenv(name)
    # Socket paths are limited to 107 bytes, so this one cannot lie below `home`.
    runtime = tempfile.mkdtemp(prefix="cdr-", dir="/tmp")
    (home / ".gitconfig").write_text(_GIT_CONFIG)
    patch.setenv("HOME", str(home))
    patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    patch.setenv("XDG_STATE_HOME", str(home / ".local" / "state"))
    patch.setenv("XDG_DATA_HOME", str(home / ".local" / "share"))
    patch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    patch.setenv("XDG_RUNTIME_DIR", runtime)
    patch.setenv("TERM", "dumb")
    try:
        yield home
    finally:
        shutil.rmtree(runtime, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home that session and module fixtures live in."""
    with pytest.MonkeyPatch.context() as patch:
        yield from _settle_in(patch, tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def home(
    session_home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """This test's own empty home folder, already in the environment."""
    yield from _settle_in(monkeypatch, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the daemon does."""
    return "asyncio"


@pytest.fixture
def no_blocking() -> Iterator[BlockBuster]:
    """Make a blocking call of our code inside an event loop fail the test."""
    with blockbuster_ctx("codencer") as guard:
        yield guard


@dataclass(frozen=True)
class Disk:
    """A small file system of its own, mounted over `folder`."""

    folder: Path

    def fill(self) -> Path:
        """Take all the space that is left; deleting the returned file gives it back."""
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                while True:
                    try:
                        file.write(b"x" * size)
                    except OSError:
                        break
        return ballast

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True)


@pytest.fixture
def mount() -> Iterator[Callable[[Path, str], Disk]]:
    """`mount(folder, "1m")`: a small disk over a folder, which need not exist; mounting takes root.

    Ask for it before `place`, so that a daemon is stopped before its disk is gone.
    """
    mounted: list[Path] = []

    def over(folder: Path, size: str) -> Disk:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "codencer-test", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting a file system is not permitted here")
        mounted.append(folder)
        return Disk(folder)

    yield over
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def make_repo(tmp_path: Path) -> MakeRepo:
    """A factory of real git repositories: `make_repo({"a.py": "x = 1"}, name="repo") -> top folder`.

    File contents are str or bytes; with `commit=False` the repository stays unborn. The
    branch is `main`, the identity is that of the test's home.
    """

    def make(
        files: Mapping[str, str | bytes] | None = None, *, name: str = "repo", commit: bool = True
    ) -> Path:
        top = tmp_path / name
        top.mkdir(parents=True)
        _git(top, "init", "--quiet", "--template=", ".")
        for path, content in (files or {"README.md": "A repository.\n"}).items():
            target = top / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        if commit:
            _git(top, "add", "--all")
            _git(top, "commit", "--quiet", "--allow-empty", "--message", "first")
        return top

    return make


def _git(top: Path, *arguments: str) -> None:
    done = subprocess.run(["git", *arguments], cwd=top, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"


@dataclass(frozen=True)
class Packages:
    """Installed packages that offer adapters: `site` belongs on Python's path, `bin` on PATH."""

    site: Path
    bin: Path

    def add(self, package: str, modules: Mapping[str, str], adapters: Mapping[str, str]) -> None:
        """Install a package, as installers leave one: modules by name, adapters as `module:function`."""
        info = self.site / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        entries = "".join(f"{name} = {place}\n" for name, place in adapters.items())
        (info / "entry_points.txt").write_text(f"[codencer.adapters]\n{entries}")
        for name, source in modules.items():
            (self.site / f"{name}.py").write_text(source)

    @staticmethod
    def goal(notes: Path, *turns: list[list[Any]]) -> str:
        """What lets heron do this, turn by turn, and note down there what each was started with."""
        notes.mkdir(exist_ok=True)
        return json.dumps({"notes": str(notes), "turns": turns})


@pytest.fixture(scope="session")
def make_packages() -> Callable[[Path], Packages]:
    """Installs the example of docs/adapters.md, and its agent `heron`, below a folder."""

    def make(folder: Path) -> Packages:
        top = Path(__file__).parents[1]
        text = (top / "docs" / "adapters.md").read_text("utf-8")
        made = Packages(folder / "site", folder / "bin")
        source = text.partition("```python\n")[2].partition("```\n")[0]
        made.add("codencer-heron", {"codencer_heron": source}, {"heron": "codencer_heron:make"})
        made.bin.mkdir()
        program = made.bin / "heron"
        program.write_text(f"#!{sys.executable} -I\n{(top / 'tests/heron/agent.py').read_text()}")
        program.chmod(0o755)
        return made

    return make


@pytest.fixture
def packages(tmp_path: Path, make_packages: Callable[[Path], Packages]) -> Packages:
    """The example's package, and room for more."""
    return make_packages(tmp_path)


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """The sandbox of this machine; without one the test is skipped and says why."""
    found = find_sandbox(os.environ)
    if found.problem:
        pytest.skip(f"there is no sandbox here: {found.problem}")
    return found


@pytest.fixture(scope="session")
def fault_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What makes a process believe that its disk fails or its clock was set; see tests/faults."""
    return compiled(tmp_path_factory.mktemp("faults"))
