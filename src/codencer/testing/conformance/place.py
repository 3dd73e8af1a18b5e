"""Where the cases of one profile happen: a repository, a home and a daemon of their own.

Everything is asked through the real command line with `--json`. Nothing of whoever runs the suite takes
part: no settings, no daemon, no git configuration. When the place is left, its daemon and everything
it started is gone.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codencer.testing.conformance.profile import Profile, filled

ANSWER_SECONDS = 120
"""For a command that does not wait for an agent, on a very busy machine."""
_KEPT = ("PATH", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")
_FILES = {"README.md": "A repository to try agents on.\n", "notes.txt": "one\ntwo\nthree\n"}
_GIT_CONFIG = (
    "[user]\n\tname = Conformance\n\temail = conformance@localhost\n[init]\n\tdefaultBranch = main\n"
)


class NoDocument(Exception):
    """A command of ours did not print what it promises; the message shows what it did instead."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended, and its one document."""

    code: int
    document: Any


@dataclass(frozen=True, kw_only=True)
class Place:
    folder: Path
    environ: dict[str, str] = field(repr=False)

    @property
    def top(self) -> Path:
        return self.folder / "repository"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def cli(
        self, *words: str, stdin: bytes = b"", seconds: float = ANSWER_SECONDS, cwd: Path | None = None
    ) -> Done:
        """Run `codencer … --json` to its end.

        Raises:
            NoDocument: stdout is not one JSON document, or there was none in time.
        """
        command = [sys.executable, "-P", "-m", "codencer.cli.main", *words, "--json"]
        try:
            done = subprocess.run(
                command,
                cwd=cwd or self.top,
                env=self.environ,
                input=stdin,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as problem:
            raise NoDocument(f"`codencer {' '.join(words)}` had not ended after {seconds:.0f} s") from problem
        try:
            return Done(code=done.returncode, document=json.loads(done.stdout))
        except ValueError as problem:
            said = done.stderr[-500:].decode("utf-8", "replace")
            raise NoDocument(
                f"`codencer {' '.join(words)}` ended with {done.returncode}: {said}"
            ) from problem

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.top, env=self.environ, capture_output=True, text=True, check=True
        )
        return done.stdout

    def checkout(self, name: str, profile: Profile, settings: Mapping[str, Any]) -> Path:
        """Another checkout of the repository, in which the adapter has these settings, too."""
        folder = self.folder / name
        if not folder.exists():
            self.git("worktree", "add", "--quiet", "--detach", str(folder))
            (folder / ".codencer").mkdir()
            table = adapter_table(profile.adapter, {**profile.settings, **settings})
            (folder / ".codencer" / "config.toml").write_text(table, encoding="utf-8")
        return folder


@contextmanager
def place(profile: Profile, url: str, *, path: Sequence[str] = (), keep: bool = False) -> Iterator[Place]:
    """Furnish a place and start its daemon; `path` are folders to be looked into before PATH."""
    # Not the temporary folder: one agent's own sandbox does not work from there.
    root = Path("/var/tmp") if os.access("/var/tmp", os.W_OK) else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix=f"conformance-{profile.adapter}-", dir=root))
    # Socket paths are limited to 107 bytes.
    runtime = Path(tempfile.mkdtemp(prefix="cdc-", dir="/tmp"))
    made = Place(folder=folder, environ=_environment(profile, folder, runtime, url, path))
    try:
        _furnish(made, profile, url)
        yield made
    finally:
        try:
            made.cli("stop", "--kill")
        finally:
            shutil.rmtree(runtime, ignore_errors=True)
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)


def _environment(
    profile: Profile, folder: Path, runtime: Path, url: str, path: Sequence[str]
) -> dict[str, str]:
    home = folder / "home"
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    given = {name: filled(value, url=url, home=home) for name, value in profile.environment.items()}
    return {
        **kept,
        "PATH": os.pathsep.join([*path, os.environ.get("PATH", os.defpath)]),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_RUNTIME_DIR": str(runtime),
        "CODENCER_PORT": "0",
        "CODENCER_GRACE_SECONDS": "4",
        "CODENCER_MAX_PARALLEL": "8",
        "CODENCER_TRUST": "always",
        **given,
    }


def _furnish(made: Place, profile: Profile, url: str) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        Path(made.environ[name]).mkdir(parents=True, exist_ok=True)
    (made.home / ".gitconfig").write_text(_GIT_CONFIG)
    for name, text in profile.files.items():
        file = Path(filled(name, url=url, home=made.home))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(filled(text, url=url, home=made.home), encoding="utf-8")
    own = Path(made.environ["XDG_CONFIG_HOME"]) / "codencer" / "config.toml"
    own.parent.mkdir(mode=0o700)
    own.write_text(adapter_table(profile.adapter, profile.settings) if profile.settings else "")
    made.top.mkdir()
    made.git("init", "--quiet", "--template=", ".")
    for name, text in _FILES.items():
        (made.top / name).write_text(text)
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message", "first")


def adapter_table(name: str, settings: Mapping[str, Any]) -> str:
    """An `[adapters.NAME]` table as TOML: strings, numbers, booleans and lists are written as in JSON."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join([f"[adapters.{name}]", *lines]) + "\n"
