"""Where it happens: two small disks, a repository with two checkouts, a home, and the agent.

The disks are tmpfs mounts in a mount namespace of our own, so that they can be full and nobody
else notices; where no mount is permitted they are plain folders and that fault is left out.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import Faults as Shim
from tests.faults import compiled, why_not

TOP = Path(__file__).resolve().parents[2]
NAMESPACE = "SOAK_NAMESPACE"
DISK_BYTES = 4 * 1024**3
HOOK = {"provisioning": {"hooks": {"post_create": "sleep 0.2; echo made > made.txt"}}}
FILES = {"README.md": "A repository.\n", "code.txt": "first\n", ".gitignore": "*.log\n"}
# Its agents tell what they leave by process numbers, which are others inside of a sandbox.
_CONFIG = """\
trust = "always"
sandbox = "none"
default_adapter = "soak"
[adapters.soak]
command = {command}
"""


def enter_namespace() -> str:
    """Begin anew in a mount namespace of our own; returns why that is not possible, if anything."""
    if os.environ.get(NAMESPACE):
        return ""
    words = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount"]
    try:
        with tempfile.TemporaryDirectory() as folder:
            mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "soak", folder]
            tried = subprocess.run([*words, *mount], capture_output=True, text=True, check=False)
    except FileNotFoundError as problem:
        return f"{problem.filename} is missing"
    if tried.returncode == 0:
        os.execvpe(words[0], [*words, sys.executable, *sys.argv], {**os.environ, NAMESPACE: "1"})
    return f"nothing can be mounted here: {tried.stderr.strip()}"


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A folder that may be a file system of its own."""

    folder: Path
    mounted: bool

    def limit(self, slack: int | None) -> None:
        """Leave so many bytes free, or make it large again."""
        used = shutil.disk_usage(self.folder).used
        size = DISK_BYTES if slack is None else used + slack
        words = ["mount", "-o", f"remount,size={size}", os.fspath(self.folder)]
        subprocess.run(words, check=False, capture_output=True)


@dataclass(frozen=True, kw_only=True)
class Scene:
    folder: Path
    disks: Mapping[str, Disk]
    env: dict[str, str] = field(repr=False)
    shim: Shim | None = None
    """What makes the daemons believe in faults that nobody else meets; None where there can be none."""

    @property
    def daemon_env(self) -> dict[str, str]:
        return self.env | (self.shim.environment if self.shim is not None else {})

    @property
    def top(self) -> Path:
        """The user's checkout; `hooked` is another one, whose files ask for a hook."""
        return self.folder / "repository" / "top"

    @property
    def hooked(self) -> Path:
        return self.folder / "repository" / "hooked"

    @property
    def state(self) -> Path:
        return self.top / ".git" / "codencer"

    @property
    def diaries(self) -> Path:
        return self.folder / "diaries"

    @property
    def instance(self) -> str:
        return str(json.loads((self.state / "instance.json").read_bytes())["id"])

    @property
    def workspaces(self) -> Path:
        return Path(self.env["XDG_STATE_HOME"]) / "codencer" / self.instance / "workspaces"

    def git(self, *words: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *words], cwd=cwd or self.top, env=self.env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"git {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    def cli(self, *words: str, stdin: str = "") -> tuple[int, Any]:
        """Run `codencer … --json`; its exit code and the one document."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "codencer.cli.main", *words, "--no-autostart", "--json"],
            cwd=self.top,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError as problem:
            raise AssertionError(f"codencer {' '.join(words)} printed no document: {done}") from problem

    def look_of_the_user(self) -> dict[str, str]:
        """Everything of the user's that must not change."""
        return {
            "head": self.git("rev-parse", "HEAD"),
            "branches": self.git("for-each-ref", "refs/heads", "refs/tags", "refs/remotes", "refs/stash"),
            "status": self.git("status", "--porcelain", "--untracked-files=all"),
            "other": self.git("status", "--porcelain", "--untracked-files=all", cwd=self.hooked),
            "config": (self.top / ".git" / "config").read_text(),
        }


@contextmanager
def scene(*, mounted: bool) -> Iterator[Scene]:
    """A fresh one; removed in the end, unless something went wrong."""
    # Short, because a Unix socket's path may have 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir="/tmp"))
    disks = {name: _disk(folder / name, mounted) for name in ("repository", "work")}
    shim = None
    if not why_not():
        state = folder / "repository" / "top" / ".git" / "codencer"
        shim = Shim(compiled(folder), folder / "faults", (state,))
    made = Scene(folder=folder, disks=disks, env=_furnish(folder), shim=shim)
    _fill(made)
    yield made
    for disk in disks.values():
        if disk.mounted:
            subprocess.run(["umount", "--lazy", disk.folder], check=True)
    shutil.rmtree(folder)


def _disk(folder: Path, mounted: bool) -> Disk:
    folder.mkdir()
    if mounted:
        size = f"size={DISK_BYTES},mode=0755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "soak", folder], check=True)
    return Disk(folder=folder, mounted=mounted)


def _furnish(folder: Path) -> dict[str, str]:
    places = {"HOME": "home", "XDG_CONFIG_HOME": "home/config", "XDG_RUNTIME_DIR": "run"}
    # A copy: a daemon that is started later must be the same program.
    shutil.copytree(TOP / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for place in (*places.values(), "home/config/codencer", "diaries"):
        (folder / place).mkdir(mode=0o700, parents=True)
    agent = [sys.executable, "-I", "-S", str(Path(__file__).with_name("agent.py")), str(folder / "diaries")]
    (folder / "home/config/codencer/config.toml").write_text(_CONFIG.format(command=json.dumps(agent)))
    (folder / "home/.gitconfig").write_text("[user]\n\tname = Soak\n\temail = soak@example.invalid\n")
    return {
        **{name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ},
        **{name: str(folder / place) for name, place in places.items()},
        "XDG_STATE_HOME": str(folder / "work"),
        "PYTHONPATH": str(folder / "src"),
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "CODENCER_PORT": "0",
        "CODENCER_GRACE_SECONDS": "1",
        "CODENCER_MAX_PARALLEL": "8",
    }


def _fill(scene: Scene) -> None:
    scene.top.mkdir()
    scene.git("init", "--quiet", "--initial-branch=main", "--template=")
    for name, text in FILES.items():
        (scene.top / name).write_text(text)
    scene.git("add", "--all")
    scene.git("commit", "--quiet", "--message", "first")
    scene.git("worktree", "add", "--quiet", "-b", "hooked", str(scene.hooked))
    (scene.hooked / ".codencer").mkdir()
    (scene.hooked / ".codencer" / "workspace.json").write_text(json.dumps(HOOK))
    scene.git("add", "--all", cwd=scene.hooked)
    scene.git("commit", "--quiet", "--message", "with a hook", cwd=scene.hooked)
