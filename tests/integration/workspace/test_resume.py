"""The work of an earlier attempt in a fresh checkout: all its files, under the rules of the base."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codencer.errors import GitFailed
from codencer.workspace.resume import lay_on

if TYPE_CHECKING:
    from tests.integration.workspace.conftest import Desk

GitCall = Callable[..., str]
MakeRepo = Callable[..., Path]
MakeDesk = Callable[[Path], "Desk"]


def goes_on(desk: "Desk", snapshot: str) -> Path:
    """A fresh checkout with the work of that snapshot in it."""
    workspace = desk.attempt()
    lay_on(desk.store, desk.settings, workspace=workspace, index=desk.index, snapshot=snapshot)
    return workspace


def test_the_next_attempt_finds_everything_the_one_before_left(desk: "Desk") -> None:
    workspace = desk.attempt()
    (workspace / "README.md").write_text("Changed.\n")
    (workspace / "src/main.py").chmod(0o755)
    (workspace / "tests/test_main.py").unlink()
    (workspace / "tests").rmdir()
    (workspace / "tests").write_text("a file in the place of a folder\n")
    (workspace / "link").symlink_to("/nowhere")
    (workspace / "new").mkdir()
    (workspace / "new/file").write_text("new\n")
    desk.git("add", "-A")
    desk.git("commit", "-qm", "committed by the first")
    (workspace / "later").write_text("not committed\n")
    first = desk.take()
    second = goes_on(desk, first.commit)
    assert (second / "README.md").read_text() == "Changed.\n"
    assert (second / "tests").is_file()
    assert desk.git("rev-parse", "HEAD") == desk.base, "its own history begins at the base"
    assert set(desk.git("status", "--porcelain").split("\n")) >= {"?? later", "?? new/"}
    again = desk.take()
    assert (again.tree, again.complete) == (first.tree, True)


def test_what_the_first_agent_ignored_hides_nothing_of_the_next_one(desk: "Desk") -> None:
    (desk.attempt() / ".gitignore").write_text("*\n")
    second = goes_on(desk, desk.take().commit)
    (second / "hidden.py").write_text("work\n")
    (second / "noise.log").write_text("ignored by the base\n")
    stored = desk.stored(desk.take().commit)
    assert stored[b".gitignore"][1] == b"*\n"
    assert stored[b"hidden.py"][1] == b"work\n"
    assert b"noise.log" not in stored


def test_a_snapshot_without_changes_leaves_the_base(desk: "Desk") -> None:
    desk.attempt()
    first = desk.take()
    goes_on(desk, first.commit)
    assert desk.take().tree == first.tree


def test_work_in_a_submodule_goes_on_too(make_repo: MakeRepo, make_desk: MakeDesk, git: GitCall) -> None:
    module, top = make_repo({"lib.py": "v = 1\n"}, name="module"), make_repo(name="owner")
    git(top, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(module), "lib")
    git(top, "commit", "-qm", "a submodule")
    desk = make_desk(top)
    (desk.attempt() / "lib/lib.py").write_text("v = 2\n")
    first = desk.take()
    second = goes_on(desk, first.commit)
    assert (second / "lib/lib.py").read_text() == "v = 2\n"
    again = desk.take()
    # The commits inside differ by their time, the files do not.
    store = first.tree, again.tree
    modules = [desk.stored(tree)[b"lib"][1].decode() for tree in store]
    trees = {git(top / ".git/modules/lib", "rev-parse", f"{commit}^{{tree}}") for commit in modules}
    assert len(trees) == 1


def test_a_snapshot_that_is_gone_is_no_checkout_of_something_else(desk: "Desk") -> None:
    with pytest.raises(GitFailed):
        goes_on(desk, "1" * 40)
