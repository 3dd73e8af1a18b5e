"""Submodules: filled from what is there, stored when changed, never fetched."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codencer.workspace.git import open_store
from codencer.workspace.refs import list_refs

if TYPE_CHECKING:
    from tests.integration.workspace.conftest import Desk

GitCall = Callable[..., str]
MakeRepo = Callable[..., Path]
MakeDesk = Callable[[Path], "Desk"]


@pytest.fixture
def owner(make_repo: MakeRepo, git: GitCall) -> Path:
    """A repository with two submodules, `libs/here` with its store and `libs/absent` without."""
    here, absent = (
        make_repo({"lib.py": "v = 1\n", ".gitignore": "*.tmp\n"}, name="here"),
        make_repo(name="absent"),
    )
    top = make_repo(name="owner")
    for module, path in ((here, "libs/here"), (absent, "libs/absent")):
        git(
            top,
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "add",
            "-q",
            "--name",
            module.name,
            str(module),
            path,
        )
    git(top, "commit", "-qm", "submodules")
    git(top, "submodule", "deinit", "-q", "-f", "libs/absent")
    shutil.rmtree(top / ".git/modules/absent")
    return top


def test_what_is_there_is_filled(owner: Path, make_desk: MakeDesk, git: GitCall) -> None:
    desk = make_desk(owner)
    workspace = desk.attempt()
    assert (workspace / "libs/here/lib.py").read_text() == "v = 1\n"
    assert [*(workspace / "libs/absent").iterdir()] == []
    assert git(workspace / "libs/here", "status", "--porcelain") == ""
    assert desk.git("status", "--porcelain") == ""
    taken = desk.take()
    assert (taken.complete, taken.problems) == (True, ())
    assert taken.tree == git(owner, "rev-parse", "HEAD^{tree}")


def test_changes_are_stored_in_the_submodules_own_store(
    owner: Path, make_desk: MakeDesk, git: GitCall
) -> None:
    desk = make_desk(owner)
    workspace = desk.attempt()
    (workspace / "libs/here/lib.py").write_text("v = 2\n")
    git(workspace / "libs/here", "commit", "-qam", "committed inside")
    (workspace / "libs/here/new.py").write_text("new\n")
    (workspace / "libs/here/x.tmp").write_text("ignored there\n")
    (workspace / "new").write_text("outside\n")
    taken = desk.take()
    stored = desk.stored(taken.commit)
    mode, commit = stored[b"libs/here"]
    assert mode == "160000"
    assert stored[b"new"] == ("100644", b"outside\n")
    inner = open_store(owner / ".git/modules/here", owner / ".git/codencer/x")
    assert list_refs(inner, "refs/codencer/") == {desk.ref: commit.decode()}
    files = desk.stored(commit.decode(), inner)
    assert files == {
        b".gitignore": ("100644", b"*.tmp\n"),
        b"lib.py": ("100644", b"v = 2\n"),
        b"new.py": ("100644", b"new\n"),
    }
    assert desk.take() == taken


def test_a_submodule_without_its_git_directory_is_still_one(owner: Path, make_desk: MakeDesk) -> None:
    desk = make_desk(owner)
    workspace = desk.attempt()
    (workspace / "libs/here/lib.py").write_text("v = 3\n")
    shutil.rmtree(workspace / "libs/here/.git")
    assert desk.stored(desk.take().commit)[b"libs/here"][0] == "160000"


def test_files_in_an_empty_submodule_are_stored_as_files(
    owner: Path, make_desk: MakeDesk, git: GitCall
) -> None:
    desk = make_desk(owner)
    workspace = desk.attempt()
    (workspace / "libs/absent/file").write_text("made here\n")
    stored = desk.stored(desk.take().commit)
    assert stored[b"libs/absent/file"] == ("100644", b"made here\n")
    assert b"libs/absent" not in stored
    workspace = desk.attempt()
    git(workspace / "libs/absent", "init", "-q")
    (workspace / "libs/absent/file").write_text("in a repository\n")
    assert desk.stored(desk.take().commit)[b"libs/absent/file"] == ("100644", b"in a repository\n")


@pytest.mark.parametrize("instead", ["nothing", "a file", "a link", "a linked folder"])
def test_a_submodule_that_is_gone_is_gone(
    owner: Path, make_desk: MakeDesk, instead: str, tmp_path: Path
) -> None:
    desk = make_desk(owner)
    workspace = desk.attempt()
    if instead == "a linked folder":
        (workspace / "libs").rename(tmp_path / "libs")
        (workspace / "libs").symlink_to(tmp_path / "libs")
    else:
        shutil.rmtree(workspace / "libs/here")
    if instead == "a file":
        (workspace / "libs/here").write_text("a file\n")
    if instead == "a link":
        (workspace / "libs/here").symlink_to(owner)
    stored = desk.stored(desk.take().commit)
    modes = {path: mode for path, (mode, _) in stored.items() if path.startswith(b"libs")}
    assert (
        modes
        == {
            "nothing": {b"libs/absent": "160000"},
            "a file": {b"libs/absent": "160000", b"libs/here": "100644"},
            "a link": {b"libs/absent": "160000", b"libs/here": "120000"},
            "a linked folder": {b"libs": "120000"},
        }[instead]
    )


def test_an_agents_settings_of_a_submodule_run_nothing(
    owner: Path, make_desk: MakeDesk, tmp_path: Path
) -> None:
    desk = make_desk(owner)
    workspace = desk.attempt()
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/canary'\n")
    program.chmod(0o755)
    with (workspace / "libs/here/.git/config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = {program}\n\thooksPath = {tmp_path}\n")
    (workspace / ".gitmodules").write_text('[submodule "here"]\n\tpath = libs/here\n\tignore = none\n')
    (workspace / "libs/here/lib.py").write_text("v = 4\n")
    desk.take()
    assert not (tmp_path / "canary").exists()


def test_a_submodule_can_be_the_users_checkout(owner: Path, make_desk: MakeDesk, git: GitCall) -> None:
    desk = make_desk(owner / "libs/here")
    assert desk.store.common_dir == owner / ".git/modules/here"
    workspace = desk.attempt()
    (workspace / "lib.py").write_text("v = 5\n")
    taken = desk.take()
    assert desk.stored(taken.commit)[b"lib.py"] == ("100644", b"v = 5\n")
    assert git(owner / "libs/here", "rev-parse", desk.ref) == taken.commit
    assert git(owner / "libs/here", "status", "--porcelain") == ""


def test_submodules_of_submodules(
    make_repo: MakeRepo, owner: Path, make_desk: MakeDesk, git: GitCall
) -> None:
    top = make_repo(name="top")
    allowed = ("-c", "protocol.file.allow=always")
    git(owner, "rm", "-qf", "libs/absent")
    git(owner, "commit", "-qm", "only one")
    git(top, *allowed, "submodule", "add", "-q", str(owner), "owner")
    git(top, *allowed, "submodule", "update", "-q", "--init", "--recursive")
    git(top, "commit", "-qm", "nested")
    desk = make_desk(top)
    workspace = desk.attempt()
    lib = workspace / "owner/libs/here/lib.py"
    assert lib.read_text() == "v = 1\n"
    lib.write_text("v = 6\n")
    commit = desk.stored(desk.take().commit)[b"owner"][1].decode()
    middle = open_store(top / ".git/modules/owner", top / ".git/codencer/x")
    inner = open_store(top / ".git/modules/owner/modules/here", top / ".git/codencer/y")
    deep = desk.stored(commit, middle)[b"libs/here"][1].decode()
    assert desk.stored(deep, inner)[b"lib.py"] == ("100644", b"v = 6\n")
