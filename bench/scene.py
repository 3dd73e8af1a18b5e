"""Where it is measured: a home, an environment and repositories of their own, removed at the end.

Nothing of whoever runs it takes part: no settings, no running daemon, no git configuration.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_KEPT = ("LANG", "LC_ALL", "TMPDIR", "TZ")
_FILES_PER_FOLDER = 100
_LINES_PER_FILE = 12

_USER_CONFIG = """\
sandbox = "none"

[adapters.nothing]
command = ["date", "+%s%N"]

[adapters.sleeper]
command = ["sleep", "600"]

[adapters.talker]
command = ["/bin/sh", "-c", "yes 'A line as an agent may print it, of some length.' | head -c 200000000"]
"""
"""`nothing` tells the time of its own end, in nanoseconds, and does no more. The bare script that all is
compared with confines nothing either; what that costs is a group of its own."""


class Unmeasured(Exception):
    """Something could not be measured; the message says why. The other groups go on."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A folder for everything, and the complete environment of every process."""

    folder: Path
    environ: dict[str, str]

    def repository(self, files: int) -> Path:
        """Return a repository with one commit of this many files; made once."""
        top = self.folder / f"repository-{files}"
        if not top.exists():
            top.mkdir()
            self.git(top, "init", "--quiet", "--initial-branch=main", "--template=")
            self.git(top, "fast-import", "--quiet", stdin=_history(files))
        return top

    def git(self, top: Path, *arguments: str, stdin: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=top, env=self.environ, input=stdin, capture_output=True, check=True
        )
        return done.stdout.decode().strip()


@contextmanager
def scene() -> Iterator[Scene]:
    """Yield a fresh scene below the system's temporary folder."""
    # Short, because a Unix socket's path may have 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="cb-"))
    try:
        yield Scene(folder=folder, environ=_furnish(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _furnish(folder: Path) -> dict[str, str]:
    folders = {
        "HOME": "home",
        "XDG_STATE_HOME": "state",
        "XDG_CONFIG_HOME": "config",
        "XDG_RUNTIME_DIR": "run",
    }
    for name in folders.values():
        (folder / name).mkdir(mode=0o700)
    (folder / "home" / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@localhost\n")
    (folder / "config" / "codencer").mkdir(mode=0o700)
    (folder / "config" / "codencer" / "config.toml").write_text(_USER_CONFIG)
    git = shutil.which("git")
    if git is None:
        raise Unmeasured("git is missing")
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        **{variable: str(folder / name) for variable, name in folders.items()},
        "PATH": f"{os.path.dirname(git)}:/usr/local/bin:/usr/bin:/bin",
    }


def _history(files: int) -> bytes:
    """A stream for `git fast-import`: one commit of small text files, a hundred in a folder."""
    parts = [b"commit refs/heads/main\ncommitter Bench <bench@localhost> 1700000000 +0000\ndata 5\nfirst\n"]
    for number in range(files):
        content = f"line of file {number}\n".encode() * _LINES_PER_FILE
        name = f"part-{number // _FILES_PER_FOLDER}/file-{number}.txt"
        parts.append(f"M 100644 inline {name}\ndata {len(content)}\n".encode() + content)
    return b"".join(parts)
