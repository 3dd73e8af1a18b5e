"""No test can reach the home, the settings or the daemon of whoever runs the tests."""

import os
import pwd
import subprocess
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from blockbuster import BlockBuster, BlockingError

from codencer.locate import find_repository


def test_home_and_every_xdg_folder_are_temporary(home: Path) -> None:
    real = Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert Path.home() == home != real
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        assert Path(os.environ[name]).is_relative_to(home)
    assert len(os.environ["XDG_RUNTIME_DIR"]) < 40


def test_nothing_in_the_environment_speaks_of_another_codencer() -> None:
    assert not [name for name in os.environ if name.startswith(("CODENCER_", "GIT_"))]
    assert not {"HOST", "PORT", "DB_PATH", "REPO_ROOT"} & os.environ.keys()


def test_a_made_repository_has_one_commit_on_main(make_repo: Callable[..., Path]) -> None:
    top = make_repo({"a/b.txt": "x\n", "c.bin": b"\x00"})
    log = subprocess.run(
        ["git", "log", "--format=%an %s", "--name-only", "main"],
        cwd=top,
        capture_output=True,
        text=True,
        check=True,
    )
    assert log.stdout.split("\n") == ["Test Person first", "", "a/b.txt", "c.bin", ""]


def test_an_unborn_repository_has_none(make_repo: Callable[..., Path]) -> None:
    top = make_repo(commit=False)
    head = subprocess.run(["git", "rev-parse", "--verify", "-q", "HEAD"], cwd=top, check=False)
    assert head.returncode == 1


async def test_blocking_the_event_loop_from_our_code_fails(
    make_repo: Callable[..., Path], no_blocking: BlockBuster
) -> None:
    top = await anyio.to_thread.run_sync(make_repo)
    assert (await anyio.to_thread.run_sync(find_repository, top)).top == top
    with pytest.raises(BlockingError):
        find_repository(top)
