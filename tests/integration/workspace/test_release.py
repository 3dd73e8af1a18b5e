"""Releasing a workspace: a rename, then a deletion that nothing an agent left can stop."""

import os
from pathlib import Path

import pytest

from codencer.errors import StorageFailed
from codencer.workspace.release import discard, empty_trash, release


def test_a_released_workspace_is_in_the_trash_until_it_is_emptied(tmp_path: Path) -> None:
    workspace, trash = tmp_path / "w", tmp_path / "trash"
    (workspace / "deep").mkdir(parents=True)
    (workspace / "deep/file").write_text("x")
    release(workspace, trash)
    assert not workspace.exists()
    assert [each.name.split(".")[0] for each in trash.iterdir()] == ["w"]
    empty_trash(trash)
    assert [*trash.iterdir()] == []


def test_releasing_twice_and_emptying_nothing_are_fine(tmp_path: Path) -> None:
    release(tmp_path / "gone", tmp_path / "trash")
    empty_trash(tmp_path / "no trash")


def test_links_are_deleted_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep me")
    workspace = tmp_path / "w"
    workspace.mkdir()
    (workspace / "link").symlink_to(precious)
    release(workspace, tmp_path / "trash")
    (tmp_path / "trash/other").symlink_to(precious)
    empty_trash(tmp_path / "trash")
    assert (precious / "file").read_text() == "keep me"


def test_a_workspace_that_is_a_link_is_released_as_a_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o750)
    (tmp_path / "w").symlink_to(precious)
    release(tmp_path / "w", tmp_path / "trash")
    empty_trash(tmp_path / "trash")
    assert precious.stat().st_mode & 0o777 == 0o750


def test_closed_and_very_deep_folders_are_deleted(tmp_path: Path) -> None:
    top = tmp_path / "w"
    top.mkdir()
    (top / "closed").mkdir()
    (top / "closed/file").write_text("x")
    (top / "closed").chmod(0)
    here = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    discard(top)
    assert not top.exists()


def test_a_trash_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "w").mkdir()
    with pytest.raises(StorageFailed, match="cannot be moved"):
        release(tmp_path / "w", tmp_path / "file/trash")
    assert (tmp_path / "w").is_dir()
