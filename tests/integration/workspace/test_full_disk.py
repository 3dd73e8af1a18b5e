"""A snapshot on a disk that takes no more is none: no file is left out as if it were to blame."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codencer.errors import StorageFailed
from codencer.workspace.git import read_settings

if TYPE_CHECKING:
    from tests.integration.workspace.conftest import Desk

Mount = Callable[[Path, str], Any]
BIG = os.urandom(600_000)
"""Cannot be compressed, and does not fit; what is small does."""


@pytest.fixture
def disk(desk: "Desk", mount: Mount, tmp_path: Path) -> Any:
    """A disk of 512 KiB for the objects of the desk's repository."""
    objects = desk.repo / ".git" / "objects"
    shutil.copytree(objects, tmp_path / "objects")
    disk = mount(objects, "512k")
    shutil.copytree(tmp_path / "objects", objects, dirs_exist_ok=True)
    return disk


def refused(desk: "Desk") -> None:
    with pytest.raises(StorageFailed, match="workspace is kept"):
        desk.take()
    assert desk.git("for-each-ref", "refs/codencer") == ""


def test_a_file_that_does_not_fit_is_not_left_out(desk: "Desk", disk: Any) -> None:
    workspace = desk.attempt()
    (workspace / "a.txt").write_text("small\n")
    (workspace / "big.bin").write_bytes(BIG)
    (workspace / "link").symlink_to("a.txt")
    refused(desk)
    disk.remount("size=4m")
    taken = desk.take()
    assert (taken.complete, taken.problems) == (True, ())
    stored = desk.stored(taken.commit)
    assert stored[b"big.bin"] == ("100644", BIG)
    assert {b"a.txt", b"link"} < stored.keys()


@pytest.mark.parametrize("state", ["full", "read-only"])
def test_where_no_file_can_be_stored_none_is_to_blame(desk: "Desk", disk: Any, state: str) -> None:
    workspace = desk.attempt()
    for number in range(60):
        (workspace / f"{number}.txt").write_text(f"{number}\n")
    (workspace / "link").symlink_to("/etc/passwd")
    ballast = disk.fill() if state == "full" else disk.folder / "none"
    if state == "read-only":
        disk.remount("ro")
    refused(desk)
    disk.remount("rw")
    ballast.unlink(missing_ok=True)
    taken = desk.take()
    assert (taken.complete, taken.problems) == (True, ())
    stored = desk.stored(taken.commit)
    assert stored[b"59.txt"] == ("100644", b"59\n")
    assert stored[b"link"] == ("120000", b"/etc/passwd")


def test_a_file_that_is_to_blame_still_is(desk: "Desk", disk: Any, git: Callable[..., str]) -> None:
    git(desk.repo, "config", "filter.rot.clean", "false")
    git(desk.repo, "config", "filter.rot.required", "true")
    desk.settings = read_settings(desk.repo)
    workspace = desk.attempt()
    (workspace / ".gitattributes").write_text("*.rot filter=rot\n")
    (workspace / "a.rot").write_text("stored as it is\n")
    (workspace / "big.bin").write_bytes(BIG)
    refused(desk)
    disk.remount("size=4m")
    taken = desk.take()
    assert not taken.complete
    assert [problem.partition(":")[0] for problem in taken.problems] == ["a.rot"]
    assert {b"a.rot", b"big.bin"} < desk.stored(taken.commit).keys()


def test_commits_that_do_not_fit_are_not_left_out(desk: "Desk", disk: Any) -> None:
    workspace = desk.attempt()
    (workspace / "big.bin").write_bytes(BIG)
    desk.git("add", "big.bin")
    desk.git("commit", "--quiet", "-m", "big")
    desk.git("rm", "--quiet", "big.bin")
    desk.git("commit", "--quiet", "-m", "and gone")
    refused(desk)
    disk.remount("size=4m")
    taken = desk.take()
    assert (taken.complete, taken.problems) == (True, ())
    assert desk.stored(f"{taken.commit}^1^")[b"big.bin"] == ("100644", BIG)
