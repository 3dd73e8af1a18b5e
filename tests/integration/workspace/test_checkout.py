"""Filling a workspace: the same files, a git directory of its own, nothing of the user's within reach."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codencer.errors import GitFailed
from codencer.workspace.checkout import fill
from codencer.workspace.git import read_settings

if TYPE_CHECKING:
    from tests.integration.workspace.conftest import Desk

GitCall = Callable[..., str]
MakeRepo = Callable[..., Path]


def test_a_workspace_is_a_clean_checkout_on_its_branch(desk: "Desk") -> None:
    workspace = desk.attempt()
    assert desk.git("status", "--porcelain") == ""
    assert desk.git("rev-parse", "HEAD") == desk.base
    assert desk.git("symbolic-ref", "HEAD") == "refs/heads/codencer/fix"
    assert desk.git("remote") == ""
    assert desk.git("fsck", "--connectivity-only") == ""
    assert (workspace / "src/deep/data.bin").read_bytes() == bytes(range(256))
    assert not (workspace / ".git/hooks").exists()


def test_filling_again_discards_what_is_there(desk: "Desk") -> None:
    workspace = desk.attempt()
    (workspace / "stray").write_text("x")
    (workspace / "src").chmod(0o500)
    desk.workspaces.pop()
    assert desk.attempt() == workspace
    assert not (workspace / "stray").exists()
    assert desk.git("status", "--porcelain") == ""


def test_an_interrupted_filling_leaves_no_workspace(desk: "Desk") -> None:
    with pytest.raises(GitFailed, match="read-tree"):
        fill(
            desk.store,
            desk.settings,
            workspace=desk.folder / "w",
            index=desk.folder / "i",
            base="0" * 39 + "1",
            branch="b",
        )
    assert not (desk.folder / "w").exists()


def test_modes_symlinks_and_odd_names_come_out_right(
    make_repo: MakeRepo, make_desk: Callable[[Path], "Desk"], git: GitCall
) -> None:
    repo = make_repo({"run.sh": "#!/bin/sh\n", 'odd "name"\n.txt': "x", "tab\there": "y"})
    (repo / "run.sh").chmod(0o755)
    (repo / "link").symlink_to("run.sh")
    (repo / "dangling").symlink_to("/nowhere/at all")
    os.mkdir(os.fsencode(repo) + b"/\xff\xfe")
    Path(os.fsdecode(os.fsencode(repo) + b"/\xff\xfe/f")).write_text("bytes")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "odd")
    workspace = make_desk(repo).attempt()
    assert (workspace / "run.sh").stat().st_mode & stat.S_IXUSR
    assert (workspace / "link").readlink() == Path("run.sh")
    assert (workspace / "dangling").is_symlink()
    assert Path(os.fsdecode(os.fsencode(workspace) + b"/\xff\xfe/f")).read_text() == "bytes"


def test_the_users_hooks_do_not_run(desk: "Desk", git: GitCall, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    hooks = desk.repo / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-commit", "post-commit"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch '{canary}'\n")
        (hooks / name).chmod(0o755)
    workspace = desk.attempt()
    (workspace / "README.md").write_text("changed\n")
    desk.take()
    assert not canary.exists()


def test_a_linked_worktree_is_a_caller_like_any_other(
    desk: "Desk", git: GitCall, make_desk: Callable[[Path], "Desk"], tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    git(desk.repo, "worktree", "add", "-q", "-b", "side", str(linked))
    (linked / "README.md").write_text("on the side\n")
    git(linked, "commit", "-qam", "side")
    other = make_desk(linked)
    assert other.store.common_dir == desk.store.common_dir
    workspace = other.attempt()
    assert (workspace / "README.md").read_text() == "on the side\n"
    (workspace / "new").write_text("n")
    assert b"new" in other.stored(other.take().commit)


def test_a_shallow_clone_works(
    desk: "Desk", git: GitCall, make_desk: Callable[[Path], "Desk"], tmp_path: Path
) -> None:
    for number in range(3):
        git(desk.repo, "commit", "-q", "--allow-empty", "-m", str(number))
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{desk.repo}", str(shallow))
    other = make_desk(shallow)
    workspace = other.attempt()
    assert other.git("rev-list", "--count", "HEAD") == "1"
    (workspace / "README.md").write_text("shallow\n")
    other.git("commit", "-qam", "agent")
    taken = other.take()
    assert (taken.complete, taken.problems) == (True, ())
    assert git(shallow, "rev-list", "--count", taken.commit) == "3"


def test_a_store_that_borrows_itself_works(
    desk: "Desk", git: GitCall, make_desk: Callable[[Path], "Desk"], tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", "--shared", str(desk.repo), "shared")
    other = make_desk(tmp_path / "shared")
    workspace = other.attempt()
    (workspace / "new").write_text("n")
    other.git("add", "-A")
    other.git("commit", "-qm", "agent")
    assert other.take().complete


def test_a_sha256_repository_works(tmp_path: Path, git: GitCall, make_desk: Callable[[Path], "Desk"]) -> None:
    repo = tmp_path / "long"
    git(tmp_path, "init", "-q", "--object-format=sha256", str(repo))
    (repo / "a").write_text("a\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "first")
    desk = make_desk(repo)
    assert desk.store.object_format == "sha256"
    workspace = desk.attempt()
    assert desk.git("status", "--porcelain") == ""
    (workspace / "b").write_text("b\n")
    desk.git("add", "-A")
    desk.git("commit", "-qm", "agent")
    (workspace / "a").unlink()
    taken = desk.take()
    assert taken.complete
    assert len(taken.commit) == 64
    assert desk.stored(taken.commit) == {b"b": ("100644", b"b\n")}


def test_a_partial_clone_asks_its_promisor(
    desk: "Desk", git: GitCall, make_desk: Callable[[Path], "Desk"], tmp_path: Path
) -> None:
    git(desk.repo, "config", "uploadpack.allowFilter", "true")
    git(desk.repo, "config", "uploadpack.allowAnySHA1InWant", "true")
    partial = tmp_path / "partial"
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{desk.repo}", str(partial))
    other = make_desk(partial)
    workspace = other.attempt()
    assert (workspace / "README.md").read_text() == "A program.\n"
    (workspace / "new").write_text("n")
    other.git("add", "-A")
    other.git("commit", "-qm", "agent")
    taken = other.take()
    assert (taken.complete, taken.problems) == (True, ())
    assert b"new" in other.stored(taken.commit)


def test_settings_of_the_user_reach_the_workspace(desk: "Desk", git: GitCall, home: Path) -> None:
    git(desk.repo, "config", "user.name", 'Odd "Name" \\ of; #one')
    git(desk.repo, "config", "filter.odd.clean", "sed 's/\ta/\\\\b/'")
    git(desk.repo, "config", "remote.origin.url", "https://example.com/x.git")
    git(desk.repo, "config", "core.hooksPath", "/somewhere")
    (home / ".config/git").mkdir(parents=True)
    (home / ".config/git/ignore").write_text("*.mine\n")
    desk.settings = read_settings(desk.repo)
    workspace = desk.attempt()
    for key in ("user.name", "filter.odd.clean"):
        assert git(workspace, "config", "--local", key) == git(desk.repo, "config", key)
    assert git(workspace, "config", "--local", "core.hooksPath", check=False) == ""
    assert git(workspace, "config", "--local", "remote.origin.url", check=False) == ""
    (workspace / "note.mine").write_text("")
    assert git(workspace, "status", "--porcelain") == ""
    assert b"note.mine" not in desk.stored(desk.take().commit)
