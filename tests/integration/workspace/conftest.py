"""A desk: one repository of a user's, and an attempt's workspace filled from it."""

import hashlib
import os
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from codencer.workspace.checkout import fill
from codencer.workspace.git import Git, GitSettings, Store, open_store, read_settings
from codencer.workspace.snapshot import Taken, keep, look

MakeRepo = Callable[..., Path]


def run_git(folder: Path, *args: str, check: bool = True) -> str:
    """Run git as a person or an agent would, in a folder; return what it printed."""
    done = subprocess.run(["git", *args], cwd=folder, capture_output=True, check=False)
    assert not check or done.returncode == 0, f"git {' '.join(args)}: {done.stderr.decode()}"
    return os.fsdecode(done.stdout).strip()


@dataclass(repr=False)
class Desk:
    """`repo` is the user's checkout; `attempt()` fills a workspace, `take()` snapshots it."""

    repo: Path
    folder: Path
    store: Store
    settings: GitSettings
    workspaces: list[Path] = field(default_factory=list)

    @property
    def base(self) -> str:
        return run_git(self.repo, "rev-parse", "HEAD")

    @property
    def workspace(self) -> Path:
        return self.workspaces[-1]

    @property
    def index(self) -> Path:
        return self.folder / "indexes" / self.workspace.name / "index"

    @property
    def ref(self) -> str:
        return f"refs/codencer/attempts/{self.workspace.name}"

    def attempt(self, base: str | None = None) -> Path:
        self.workspaces.append(self.folder / "workspaces" / f"att_{len(self.workspaces)}")
        fill(
            self.store,
            self.settings,
            workspace=self.workspace,
            index=self.index,
            base=base or self.base,
            branch="codencer/fix",
        )
        return self.workspace

    def take(self, base: str | None = None) -> Taken:
        seen = look(
            self.store,
            self.settings,
            workspace=self.workspace,
            index=self.index,
            base=base or self.base,
            ref=self.ref,
            message="What the agent left",
        )
        return keep(seen)

    def stored(self, commit: str, store: Store | None = None) -> dict[bytes, tuple[str, bytes]]:
        """Every path of a commit with its mode and its content as git stores it."""
        git = Git(store or self.store)
        files = {}
        for entry in git.run("ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0")[:-1]:
            about, _, path = entry.partition(b"\t")
            mode, kind, name = about.decode().split(" ")
            files[path] = (mode, git.run("cat-file", "blob", name) if kind == "blob" else name.encode())
        return files

    def git(self, *args: str, check: bool = True) -> str:
        """Git as the agent runs it, in the workspace."""
        return run_git(self.workspace, *args, check=check)


@pytest.fixture
def make_desk(tmp_path: Path) -> Callable[[Path], Desk]:
    """A factory: the desk of a repository that exists."""

    def make(repo: Path) -> Desk:
        common = Path(run_git(repo, "rev-parse", "--path-format=absolute", "--git-common-dir"))
        folder = tmp_path / f"state of {repo.name}"
        store = open_store(common, common / "codencer")
        return Desk(repo=repo, folder=folder, store=store, settings=read_settings(repo))

    return make


@pytest.fixture
def desk(make_repo: MakeRepo, make_desk: Callable[[Path], Desk]) -> Desk:
    """A desk with a small repository: an edit, a deletion and an ignore rule are at hand."""
    files = {
        "README.md": "A program.\n",
        ".gitignore": "*.log\nbuild/\n",
        "src/main.py": "print('hello')\n",
        "src/deep/.gitignore": "!keep.log\n/local\n",
        "src/deep/data.bin": bytes(range(256)),
        "tests/test_main.py": "assert True\n",
    }
    return make_desk(make_repo(files))


@pytest.fixture
def git() -> Callable[..., str]:
    """`git(folder, *args)`: git as a person runs it."""
    return run_git


@pytest.fixture
def fingerprint() -> Callable[[Path], dict[str, str]]:
    """What a repository of a user's looks like on disk, but for objects and what is the bridge's."""

    def take_print(top: Path) -> dict[str, str]:
        found = {}
        for folder, folders, names in os.walk(top):
            inside = os.path.relpath(folder, top)
            if inside == ".git":
                folders[:] = [name for name in folders if name not in ("objects", "codencer")]
            if inside == os.path.join(".git", "refs"):
                folders[:] = [name for name in folders if name != "codencer"]
            for name in [*names, *folders]:
                path = os.path.join(folder, name)
                about = os.lstat(path)
                content = b""
                if stat.S_ISLNK(about.st_mode):
                    content = os.readlink(os.fsencode(path))
                elif stat.S_ISREG(about.st_mode):
                    content = Path(path).read_bytes()
                # A folder's time changes when `refs/codencer` is made in it; a file's never may.
                when = 0 if stat.S_ISDIR(about.st_mode) else about.st_mtime_ns
                digest = hashlib.sha256(content).hexdigest()
                found[os.path.relpath(path, top)] = f"{about.st_mode:o} {when} {digest}"
        return found

    return take_print
