"""An agent that does its worst to git: the user's repository stays as it was, the snapshot is whole."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.workspace.conftest import Desk

GitCall = Callable[..., str]
Fingerprint = Callable[[Path], dict[str, str]]


@pytest.fixture
def lived_in(desk: "Desk", git: GitCall) -> "Desk":
    """A user's repository with a stash, branches, a hook, staged and unstaged work."""
    repo = desk.repo
    (repo / "README.md").write_text("stashed\n")
    git(repo, "stash")
    git(repo, "branch", "topic")
    git(repo, "tag", "v1")
    (repo / ".git/hooks").mkdir(exist_ok=True)
    (repo / ".git/hooks/pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (repo / "README.md").write_text("staged\n")
    git(repo, "add", "README.md")
    (repo / "src/main.py").write_text("unstaged\n")
    (repo / "loose").write_text("untracked\n")
    git(repo, "status")
    return desk


def work(workspace: Path) -> dict[bytes, bytes]:
    """Honest work, all of which the snapshot must hold."""
    (workspace / "README.md").write_text("edited\n")
    (workspace / "src/main.py").write_text("also edited\n")
    (workspace / "tests/new_test.py").write_text("new\n")
    (workspace / "hidden.secret").write_text("hidden by rules of the agent's\n")
    return {
        b"README.md": b"edited\n",
        b"src/main.py": b"also edited\n",
        b"tests/new_test.py": b"new\n",
        b"hidden.secret": b"hidden by rules of the agent's\n",
    }


def assert_whole(desk: "Desk", expected: dict[bytes, bytes]) -> None:
    stored = desk.stored(desk.take().commit)
    assert {path: stored[path][1] for path in expected} == expected


def test_git_commands_of_an_agent_stay_in_its_workspace(
    lived_in: "Desk", fingerprint: Fingerprint, git: GitCall
) -> None:
    desk = lived_in
    before = fingerprint(desk.repo)
    workspace = desk.attempt()
    desk.git("stash", "list")
    (workspace / "README.md").write_text("to be stashed\n")
    desk.git("stash")
    desk.git("stash", "clear")
    desk.git("branch", "-f", "main", "HEAD")
    desk.git("branch", "mine")
    desk.git("branch", "-D", "topic", check=False)
    desk.git("tag", "-f", "v1")
    desk.git("config", "user.name", "Somebody Else")
    desk.git("config", "core.hooksPath", "/elsewhere")
    desk.git("update-ref", "-d", "refs/heads/main")
    desk.git("update-ref", "-d", desk.ref)
    desk.git("worktree", "add", "-q", str(desk.folder / "linked"), "HEAD")
    desk.git("reflog", "expire", "--expire=now", "--all")
    desk.git("gc", "-q", "--prune=now")
    desk.git("prune", "--expire=now")
    desk.git("update-index", "--assume-unchanged", "README.md")
    desk.git("update-index", "--skip-worktree", "src/main.py")
    (workspace / ".git/info/exclude").write_text("*.secret\nnew_test.py\n")
    (workspace / ".gitignore").write_text("*\n")
    (workspace / "tests/.gitignore").write_text("*\n")
    desk.git("config", "core.excludesFile", ".gitignore")
    assert_whole(desk, work(workspace))
    assert fingerprint(desk.repo) == before
    assert git(desk.repo, "fsck", "--no-dangling") == ""


@pytest.mark.parametrize("when", ["before", "after"])
def test_programs_an_agent_configures_never_run(
    lived_in: "Desk", fingerprint: Fingerprint, tmp_path: Path, when: str
) -> None:
    desk = lived_in
    canary = tmp_path / "canary"
    before = fingerprint(desk.repo)
    workspace = desk.attempt()
    program = workspace / "program"
    program.write_text(f"#!/bin/sh\ntouch '{canary}'\n")
    program.chmod(0o755)
    if when == "after":
        desk.git("commit", "-q", "--allow-empty", "-m", "so that commits are brought in")
    hooks = workspace / ".git/hooks"
    hooks.mkdir()
    for name in (
        "post-checkout",
        "post-index-change",
        "reference-transaction",
        "pre-auto-gc",
        "fsmonitor-watchman",
    ):
        shutil.copy(program, hooks / name)
    (workspace / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    with (workspace / ".git/config").open("a") as config:
        config.write(
            f"""[core]
    fsmonitor = {program}
    hooksPath = {hooks}
    sshCommand = {program}
    pager = {program}
    worktree = {desk.repo}
[filter "evil"]
    clean = {program}
    smudge = {program}
    process = {program}
    required = true
[diff "evil"]
    textconv = {program}
    command = {program}
[diff]
    external = {program}
[gpg]
    program = {program}
[commit]
    gpgSign = true
[remote "origin"]
    promisor = true
    url = ext::{program}
"""
        )
    assert_whole(desk, work(workspace))
    assert fingerprint(desk.repo) == before
    assert not canary.exists()


def delete(git_dir: Path, repo: Path) -> None:
    shutil.rmtree(git_dir)


def gitfile(git_dir: Path, repo: Path) -> None:
    shutil.rmtree(git_dir)
    git_dir.write_text(f"gitdir: {repo / '.git'}\n")


def symlink(git_dir: Path, repo: Path) -> None:
    shutil.rmtree(git_dir)
    git_dir.symlink_to(repo / ".git")


def garbage(git_dir: Path, repo: Path) -> None:
    for name in ("HEAD", "index", "config", "refs/heads/codencer/fix", "packed-refs"):
        (git_dir / name).write_bytes(os.urandom(200))


def pipes(git_dir: Path, repo: Path) -> None:
    for name in ("HEAD", "packed-refs", "objects/aa"):
        (git_dir / name).unlink(missing_ok=True)
        os.mkfifo(git_dir / name)


def climbing_head(git_dir: Path, repo: Path) -> None:
    (git_dir / "HEAD").write_text("ref: refs/../../../repo/.git/HEAD\n")


def missing_commit(git_dir: Path, repo: Path) -> None:
    (git_dir / "HEAD").write_text("1234567890" * 4 + "\n")


def foreign_alternates(git_dir: Path, repo: Path) -> None:
    (git_dir / "objects/info/alternates").write_text(f"{repo}/.git/objects\n/\n\n../..\n")


def common_dir(git_dir: Path, repo: Path) -> None:
    (git_dir / "commondir").write_text(f"{repo}/.git\n")


def unreadable_refs(git_dir: Path, repo: Path) -> None:
    shutil.rmtree(git_dir / "refs")
    (git_dir / "refs").symlink_to(repo / ".git/refs")
    shutil.rmtree(git_dir / "objects")
    (git_dir / "objects").symlink_to(repo / ".git/objects")


TRICKS = [
    delete,
    gitfile,
    symlink,
    garbage,
    pipes,
    climbing_head,
    missing_commit,
    foreign_alternates,
    common_dir,
    unreadable_refs,
]


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_a_ruined_git_directory_changes_nothing(
    lived_in: "Desk", fingerprint: Fingerprint, git: GitCall, trick: Callable[[Path, Path], None]
) -> None:
    desk = lived_in
    before = fingerprint(desk.repo)
    workspace = desk.attempt()
    trick(workspace / ".git", desk.repo)
    expected = work(workspace)
    assert_whole(desk, expected)
    assert fingerprint(desk.repo) == before
    stored = desk.stored(desk.take().commit)
    assert set(stored) == {
        *expected,
        b".gitignore",
        b"src/deep/.gitignore",
        b"src/deep/data.bin",
        b"tests/test_main.py",
    }
    assert git(desk.repo, "rev-parse", f"{desk.ref}^") == desk.base


def test_links_to_the_users_repository_are_links(lived_in: "Desk", fingerprint: Fingerprint) -> None:
    desk = lived_in
    before = fingerprint(desk.repo)
    workspace = desk.attempt()
    shutil.rmtree(workspace / "src")
    (workspace / "src").symlink_to(desk.repo / "src")
    shutil.rmtree(workspace / "tests")
    (workspace / "tests").symlink_to("/")
    (workspace / "repo").symlink_to(desk.repo)
    stored = desk.stored(desk.take().commit)
    assert stored == {
        b".gitignore": ("100644", b"*.log\nbuild/\n"),
        b"README.md": ("100644", b"A program.\n"),
        b"repo": ("120000", os.fsencode(desk.repo)),
        b"src": ("120000", os.fsencode(desk.repo / "src")),
        b"tests": ("120000", b"/"),
    }
    assert fingerprint(desk.repo) == before


def test_a_workspace_swapped_for_a_link_is_not_followed(lived_in: "Desk", fingerprint: Fingerprint) -> None:
    desk = lived_in
    before = fingerprint(desk.repo)
    workspace = desk.attempt()
    shutil.rmtree(workspace)
    workspace.symlink_to(desk.repo)
    taken = desk.take()
    assert not taken.complete
    assert desk.stored(taken.commit) == {}
    assert fingerprint(desk.repo) == before


def test_objects_named_by_foreign_alternates_stay_out(desk: "Desk", git: GitCall, tmp_path: Path) -> None:
    private = tmp_path / "private"
    git(tmp_path, "init", "-q", str(private))
    (private / "secret").write_text("of another repository\n")
    git(private, "add", "-A")
    git(private, "commit", "-qm", "private")
    workspace = desk.attempt()
    with (workspace / ".git/objects/info/alternates").open("a") as alternates:
        alternates.write(f"{private}/.git/objects\n")
    desk.git("update-ref", "HEAD", git(private, "rev-parse", "HEAD"))
    taken = desk.take()
    assert not taken.complete
    assert "missing or damaged" in taken.problems[0]
    assert git(desk.repo, "log", "-1", "--format=%P", taken.commit) == desk.base
