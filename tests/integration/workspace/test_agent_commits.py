"""What an agent committed comes into the user's store by a checked import, and is kept."""

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from codencer.workspace.refs import list_refs

if TYPE_CHECKING:
    from tests.integration.workspace.conftest import Desk

GitCall = Callable[..., str]


def test_what_the_agent_committed_is_the_snapshots_parent(desk: "Desk", git: GitCall) -> None:
    workspace = desk.attempt()
    (workspace / "README.md").write_text("Committed.\n")
    desk.git("commit", "-qam", "by the agent")
    head = desk.git("rev-parse", "HEAD")
    (workspace / "later").write_text("not committed")
    taken = desk.take()
    shutil.rmtree(workspace)
    assert git(desk.repo, "rev-parse", f"{taken.commit}^") == head
    assert (
        git(desk.repo, "log", "--format=%s", f"{desk.base}..{taken.commit}")
        == "What the agent left\nby the agent"
    )
    assert desk.stored(taken.commit)[b"later"] == ("100644", b"not committed")


def test_a_history_that_was_rewritten_keeps_the_base_as_a_parent(desk: "Desk", git: GitCall) -> None:
    desk.attempt()
    desk.git("checkout", "-q", "--orphan", "new-world")
    desk.git("commit", "-qm", "unrelated")
    head = desk.git("rev-parse", "HEAD")
    taken = desk.take()
    assert git(desk.repo, "log", "-1", "--format=%P", taken.commit) == f"{desk.base} {head}"


def test_other_commits_are_kept_beside(desk: "Desk", git: GitCall) -> None:
    workspace = desk.attempt()
    messages = []
    for number in range(2):
        (workspace / "README.md").write_text(f"stashed {number}\n")
        (workspace / "untracked").write_text(str(number))
        desk.git("stash", "push", "-q", "-u", "-m", f"stash {number}")
        messages.append(f"On codencer/fix: stash {number}")
    desk.git("checkout", "-q", "-b", "aside")
    (workspace / "README.md").write_text("aside\n")
    desk.git("commit", "-qam", "aside")
    desk.git("tag", "-a", "-m", "tagged", "v1")
    desk.git("checkout", "-q", "codencer/fix")
    (workspace / "README.md").write_text("first try\n")
    desk.git("commit", "-qam", "first try")
    desk.git("commit", "-q", "--amend", "-m", "second try")
    desk.git("pack-refs", "--all")
    taken = desk.take()
    shutil.rmtree(workspace)
    assert taken.complete
    kept = list_refs(desk.store, "refs/codencer/commits/")
    subjects = {git(desk.repo, "log", "-1", "--format=%s", commit) for commit in kept.values()}
    assert subjects == {*messages, "aside", "first try"}
    assert git(desk.repo, "log", "-1", "--format=%s", f"{taken.commit}^") == "second try"
    assert git(desk.repo, "fsck", "--connectivity-only", "--no-dangling") == ""


def test_many_commits_come_as_one_pack(desk: "Desk", git: GitCall) -> None:
    workspace = desk.attempt()
    (workspace / "many").mkdir()
    for number in range(300):
        (workspace / "many" / str(number)).write_text(str(number))
    desk.git("add", "-A")
    desk.git("commit", "-qm", "many")
    assert desk.take().complete
    assert len([*(desk.store.common_dir / "objects/pack").glob("*.pack")]) == 1


def test_a_damaged_object_store_costs_the_commits_only(desk: "Desk", git: GitCall) -> None:
    workspace = desk.attempt()
    (workspace / "README.md").write_text("Committed.\n")
    desk.git("commit", "-qam", "by the agent")
    head = desk.git("rev-parse", "HEAD:README.md")
    loose = workspace / ".git/objects" / head[:2] / head[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"garbage")
    (workspace / "README.md").write_text("Later.\n")
    taken = desk.take()
    assert not taken.complete
    assert git(desk.repo, "rev-parse", f"{taken.commit}^") == desk.base
    assert desk.stored(taken.commit)[b"README.md"] == ("100644", b"Later.\n")
