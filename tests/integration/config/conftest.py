"""Factories of settings files and repositories for the settings."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from codencer.config import Config, load
from codencer.locate import Repository, find_repository

Git = Callable[..., str]
Load = Callable[..., Config]


@pytest.fixture
def git() -> Git:
    """Run a real git command in a folder and return what it printed."""

    def run(folder: Path, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def repository(make_repo: Callable[..., Path]) -> Repository:
    return find_repository(make_repo())


@pytest.fixture
def user_file(home: Path) -> Callable[[str], Path]:
    """Write the user's own config.toml."""

    def write(text: str) -> Path:
        path = home / ".config" / "codencer" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def project_file(repository: Repository) -> Callable[[str], Path]:
    """Write the project's .codencer/config.toml."""

    def write(text: str) -> Path:
        path = repository.top / ".codencer" / "config.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def load_config(repository: Repository) -> Load:
    """Load with this process's environment and some variables more."""

    def run(flags: dict[str, str] | None = None, **variables: str) -> Config:
        return load(repository, flags=flags, environ={**os.environ, **variables})

    return run
