"""Landing brings the work over whole, keeps the user's own, and changes nothing when it refuses."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codencer.errors import CodencerError, Conflict, GitFailed, InvalidInput
from codencer.model.landing import Landed, LandForm

if TYPE_CHECKING:
    from tests.integration.workspace.land.conftest import User

TEXT = "".join(f"line {number}\n" for number in range(1, 13))
EVERY_FORM = (("commit", None), ("branch", "x"), ("patch", "x.patch"))


def test_a_commit_on_the_branch_that_is_checked_out(user: "User") -> None:
    tree = user.snapshot(
        {"a": "new\n", "b": None, "d/c": None, "e/c": "c\n", "caf\udce9": "x\n", "l": "-> a"}
    )
    landed = user.land(tree)
    assert landed.commit is not None
    assert landed == Landed(
        form=LandForm.COMMIT, target="main", commit=user.git("rev-parse", "main"), files=5
    )
    assert user.files() == {
        "a": "new\n",
        ".gitignore": "*.secret\n",
        "e/c": "c\n",
        "caf\udce9": "x\n",
        "l": "-> a",
    }
    assert user.dirt() == ""
    assert user.git("rev-parse", "HEAD^{tree}") == tree
    person = "Test Person <person@example.com>"
    about = user.git("log", "-1", "--format=%P|%an <%ae>|%cn <%ce>|%B")
    assert about == f"{user.base}|{person}|{person}|Fix it\n\nAll of it.\n"
    assert not (user.top / "d").exists()
    assert "codencer: land" in user.git("reflog", "show", "main")


def test_modes_and_types(user: "User") -> None:
    tree = user.snapshot({"b": "-> a"}, programs=("a",))
    user.land(tree, checkout=user.top / "d")
    assert os.access(user.top / "a", os.X_OK)
    assert user.read("b") == "-> a"
    assert user.dirt() == ""


def test_a_file_becomes_a_folder_and_a_folder_a_file(user: "User") -> None:
    tree = user.snapshot({"b": None, "b/inside": "x\n", "d/c": None, "d": "file\n"})
    user.land(tree)
    assert user.files() == {"a": TEXT, ".gitignore": "*.secret\n", "b/inside": "x\n", "d": "file\n"}
    assert user.dirt() == ""


def test_a_detached_head(user: "User") -> None:
    user.git("checkout", "-q", "--detach")
    landed = user.land(user.snapshot({"b": "2\n"}))
    assert landed.target == "HEAD"
    assert user.git("rev-parse", "HEAD") == landed.commit
    assert user.git("rev-parse", "main") == user.base


def test_a_linked_worktree(user: "User") -> None:
    linked = user.folder / "linked"
    user.git("worktree", "add", "-q", "-b", "side", str(linked))
    before = user.files()
    landed = user.land(user.snapshot({"b": "2\n"}), checkout=linked)
    assert landed.target == "side"
    assert user.git("rev-parse", "side") == landed.commit
    assert user.git("rev-parse", "main") == user.base
    assert user.files(linked)["b"] == "2\n"
    assert user.dirt(linked) == user.dirt() == ""
    assert user.files() == before


def test_the_branch_went_on_without_a_conflict(user: "User") -> None:
    tree = user.snapshot({"a": TEXT.replace("line 12", "theirs"), "d/c": None, "renamed/c": "c\n"})
    head = user.commit({"a": TEXT.replace("line 1\n", "ours\n"), "more": "m\n"})
    landed = user.land(tree)
    assert user.git("rev-parse", "HEAD^") == head
    assert landed.files == 2
    assert user.files() == {
        "a": TEXT.replace("line 1\n", "ours\n").replace("line 12", "theirs"),
        "b": "b\n",
        ".gitignore": "*.secret\n",
        "renamed/c": "c\n",
        "more": "m\n",
    }
    assert user.dirt() == ""


def test_the_merge_has_exactly_the_base_it_is_given(user: "User") -> None:
    """A dirty base is no ancestor of the branch, and what it holds is not landed a second time."""
    user.write({"a": TEXT.replace("line 1\n", "dirty\n")})
    dirty = user.git("stash", "create")
    tree = user.snapshot({"a": TEXT.replace("line 1\n", "dirty\n"), "b": "2\n"})
    user.base = dirty
    landed = user.land(tree)
    assert user.git("show", "--format=", "--name-only", "HEAD") == "b"
    assert landed.files == 1
    assert user.dirt() == " M a"
    assert user.files()["a"].startswith("dirty\n")


def test_a_conflict_names_the_files(user: "User") -> None:
    tree = user.snapshot({"a": "theirs\n", "b": "2\n", "d/c": None})
    user.commit({"a": "ours\n", "d/c": "ours\n"})
    with user.unchanged(), pytest.raises(Conflict, match=r"a, d/c\. Nothing was changed"):
        user.land(tree)
    with user.unchanged(), pytest.raises(Conflict, match="a, d/c"):
        user.land(tree, "branch", "work")


def test_dirty_edits_elsewhere_are_kept(user: "User") -> None:
    tree = user.snapshot({"b": "2\n", "new": "n\n"})
    user.write({"a": "my edit\n", "mine": "untracked\n", "x.secret": "ignored\n"})
    user.write({"d/c": "staged\n"})
    user.git("add", "d/c")
    os.utime(user.top / "b", (1, 1))
    user.land(tree)
    assert user.files() == {
        "a": "my edit\n",
        "b": "2\n",
        "d/c": "staged\n",
        "mine": "untracked\n",
        "new": "n\n",
        "x.secret": "ignored\n",
        ".gitignore": "*.secret\n",
    }
    assert user.dirt().splitlines() == [" M a", "M  d/c", "?? mine"]


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("edit", ["my edit\n", None])
def test_dirty_edits_in_the_way_are_named(user: "User", staged: bool, edit: str | None) -> None:
    tree = user.snapshot({"a": "theirs\n", "b": "2\n"})
    user.write({"a": edit, "d/c": "my other edit\n"})
    if staged:
        user.git("add", "--all")
    with (
        user.unchanged(),
        pytest.raises(Conflict, match=r"not committed: a\. Nothing was changed") as refused,
    ):
        user.land(tree)
    assert "d/c" not in str(refused.value)


@pytest.mark.parametrize("name", ["new", "x.secret", "new/inside", "x.secret/inside"])
def test_untracked_files_in_the_way_are_named(user: "User", name: str) -> None:
    tree = user.snapshot({"new": "theirs\n", "x.secret": "theirs\n"})
    user.write({name: "mine\n"})
    with user.unchanged(), pytest.raises(Conflict, match=f"untracked files are in the way: {name}\\."):
        user.land(tree)


def test_an_untracked_file_below_a_folder_that_goes(user: "User") -> None:
    user.write({"d/mine.secret": "mine\n"})
    with user.unchanged(), pytest.raises(Conflict, match=r"in the way: d/mine\.secret\."):
        user.land(user.snapshot({"d/c": None, "d": "file\n"}))
    user.land(user.snapshot({"d/c": None}))
    assert user.files()["d/mine.secret"] == "mine\n"


def test_an_untracked_file_where_a_folder_comes(user: "User") -> None:
    tree = user.snapshot({"new/inside": "theirs\n"})
    user.write({"new": "mine\n"})
    with user.unchanged(), pytest.raises(Conflict, match="new"):
        user.land(tree)


def test_nothing_to_land(user: "User") -> None:
    for form, target in EVERY_FORM:
        with user.unchanged(), pytest.raises(Conflict, match="nothing to land"):
            user.land(user.git("rev-parse", "HEAD^{tree}"), form, target)
    tree = user.snapshot({"b": "2\n"})
    user.land(tree)
    with user.unchanged(), pytest.raises(Conflict, match="already"):
        user.land(tree)


@pytest.mark.parametrize(
    "state", ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"]
)
def test_a_checkout_in_the_middle_of_something(user: "User", state: str) -> None:
    tree = user.snapshot({"b": "2\n"})
    place = user.top / ".git" / state
    if state.startswith("rebase"):
        place.mkdir()
    else:
        place.write_text(user.base)
    with user.unchanged(), pytest.raises(Conflict, match="in the middle of a"):
        user.land(tree)


def test_unmerged_files(user: "User") -> None:
    tree = user.snapshot({"b": "2\n"})
    blob = user.git("rev-parse", "HEAD:a")
    lines = f"0 {'0' * 40}\ta\n100644 {blob} 1\ta\n100644 {blob} 2\ta\n"
    subprocess.run(["git", "update-index", "--index-info"], cwd=user.top, input=lines, text=True, check=True)
    with user.unchanged(), pytest.raises(Conflict, match="unresolved merge conflicts: a"):
        user.land(tree)


def test_a_locked_index(user: "User") -> None:
    tree = user.snapshot({"b": "2\n"})
    (user.top / ".git" / "index.lock").write_text("of somebody else")
    with user.unchanged(), pytest.raises(Conflict, match=r"index\.lock"):
        user.land(tree)


def test_no_commit_no_work_tree_no_index(user: "User") -> None:
    tree = user.snapshot({"b": "2\n"})
    bare = user.folder / "bare.git"
    user.git("clone", "-q", "--bare", str(user.top), str(bare))
    with user.unchanged(), pytest.raises(InvalidInput, match="another repository|no work tree"):
        user.land(tree, checkout=bare)
    with user.unchanged(), pytest.raises(InvalidInput, match="no work tree"):
        user.land(tree, checkout=user.top / ".git")
    (user.top / ".git" / "index").unlink()
    with user.unchanged(), pytest.raises(Conflict, match="nothing checked out"):
        user.land(tree)


def test_a_branch_without_a_commit(user: "User") -> None:
    tree = user.snapshot({"b": "2\n"})
    user.git("checkout", "-q", "--orphan", "fresh")
    for form, target in EVERY_FORM[:2]:
        with user.unchanged(), pytest.raises(Conflict, match="no commit at its HEAD"):
            user.land(tree, form, target)


def test_without_an_identity(user: "User", home: Path) -> None:
    tree = user.snapshot({"b": "2\n"})
    (home / ".gitconfig").write_text("")
    for form, target in EVERY_FORM[:2]:
        with user.unchanged(), pytest.raises(InvalidInput, match=r"user\.name"):
            user.land(tree, form, target)


def test_no_hook_monitor_or_signature_of_the_user_runs(user: "User") -> None:
    tree = user.snapshot({"b": "2\n"})
    ran, spy, hooks = user.folder / "ran", user.folder / "spy", user.folder / "hooks"
    spy.write_text(f"#!/bin/sh\necho $0 >> {ran}\nexit 1\n")
    spy.chmod(0o755)
    hooks.mkdir()
    for name in ("post-checkout", "post-merge", "post-index-change", "reference-transaction", "pre-commit"):
        (hooks / name).symlink_to(spy)
    user.git("config", "core.hooksPath", str(hooks))
    user.git("config", "commit.gpgSign", "true")
    for key in ("core.fsmonitor", "gpg.program", "core.pager", "core.editor"):
        user.git("config", key, str(spy))
    user.land(tree)
    assert not ran.exists()


def test_line_endings_and_filters_of_the_user(user: "User") -> None:
    user.git("config", "core.autocrlf", "true")
    user.git("config", "filter.case.smudge", "tr a-z A-Z")
    user.git("config", "filter.case.clean", "tr A-Z a-z")
    tree = user.snapshot({"b": "1\n2\n", ".gitattributes": "*.up filter=case\n", "x.up": "loud\n"})
    user.land(tree)
    assert (user.top / "b").read_bytes() == b"1\r\n2\r\n"
    assert (user.top / "x.up").read_bytes() == b"LOUD\r\n"
    assert user.dirt() == ""


def test_a_filter_that_fails_half_way_leaves_everything_as_it_was(user: "User") -> None:
    user.git("config", "filter.picky.smudge", "grep -v poison")
    user.git("config", "filter.picky.clean", "cat")
    user.git("config", "filter.picky.required", "true")
    user.commit({".gitattributes": "z* filter=picky\n", "z1": "fine\n"})
    user.base = user.git("rev-parse", "HEAD")
    tree = user.snapshot(
        {"a": "theirs\n", "b": None, "d/c": None, "e/f/g": "new\n", "z1": "poison\n", "z2": "poison\n"}
    )
    user.write({"mine": "untracked\n", "x.secret": "ignored\n"})
    before, index = user.files(), (user.top / ".git" / "index").read_bytes()
    with pytest.raises(GitFailed, match="put back"):
        user.land(tree)
    assert user.files() == before
    assert (user.top / ".git" / "index").read_bytes() == index
    assert not (user.top / "e").exists()
    assert user.git("rev-parse", "HEAD") == user.base
    assert user.dirt() == "?? mine"


def test_a_branch_that_moves_meanwhile(user: "User") -> None:
    """The user's own filter program stands for somebody else who is quick."""
    user.git("commit", "-q", "--allow-empty", "-m", "of somebody else")
    other = user.git("rev-parse", "HEAD")
    user.git("reset", "-q", "--soft", "HEAD~1")
    user.git(
        "config",
        "filter.quick.smudge",
        f"git --git-dir={user.top}/.git update-ref refs/heads/main {other}; cat",
    )
    tree = user.snapshot({".gitattributes": "*.q filter=quick\n", "x.q": "x\n", "b": "2\n"})
    before, index = user.files(), (user.top / ".git" / "index").read_bytes()
    with pytest.raises(Conflict, match="moved meanwhile"):
        user.land(tree)
    assert user.files() == before
    assert (user.top / ".git" / "index").read_bytes() == index
    assert user.git("rev-parse", "main") == other
    assert user.dirt() == ""


def test_a_sparse_checkout_stays_sparse(user: "User") -> None:
    tree = user.snapshot({"b": "2\n", "d/c": "2\n", "d/new": "n\n"})
    user.git("sparse-checkout", "set", "--no-cone", "/*", "!/d/")
    assert not (user.top / "d").exists()
    user.land(tree)
    assert user.files()["b"] == "2\n"
    assert not (user.top / "d").exists()
    assert user.dirt() == ""
    assert user.git("show", "HEAD:d/new") == "n"


def test_a_new_branch(user: "User") -> None:
    tree = user.snapshot({"b": "2\n"})
    head = user.commit({"more": "m\n"})
    user.write({"b": "dirty\n"})
    files, index = user.files(), (user.top / ".git" / "index").read_bytes()
    landed = user.land(tree, "branch", "work/fix")
    assert landed == Landed(
        form=LandForm.BRANCH, target="work/fix", commit=user.git("rev-parse", "work/fix"), files=1
    )
    assert user.git("rev-parse", "work/fix^") == head == user.git("rev-parse", "HEAD")
    assert user.git("diff", "--name-only", "HEAD", "work/fix") == "b"
    assert user.files() == files
    assert (user.top / ".git" / "index").read_bytes() == index


@pytest.mark.parametrize("name", ["-d", "HEAD", "a..b", "a b", "x.lock", "@{-1}", "", "a\0b", "a\nb", "/a"])
def test_a_name_that_no_branch_can_have(user: "User", name: str) -> None:
    tree = user.snapshot({"b": "2\n"})
    with user.unchanged(), pytest.raises(InvalidInput):
        user.land(tree, "branch", name)


def test_a_branch_that_exists(user: "User") -> None:
    tree = user.snapshot({"b": "2\n"})
    user.git("branch", "taken")
    for name in ("main", "taken", "taken/below"):
        with user.unchanged(), pytest.raises(Conflict):
            user.land(tree, "branch", name)
    linked = user.folder / "linked"
    user.git("worktree", "add", "-q", str(linked))
    user.git("checkout", "-q", "--orphan", "waiting", where=linked)
    with user.unchanged(linked), pytest.raises(Conflict, match="first commit"):
        user.land(tree, "branch", "waiting")


def test_a_patch_file(user: "User") -> None:
    tree = user.snapshot({"a": "new\n", "b": None, "caf\udce9": "x\n"}, programs=("d/c",))
    landed = user.land(tree, "patch", "fix.patch", checkout=user.top / "d")
    assert landed.target == str(user.top / "d" / "fix.patch")
    assert landed.commit is None
    assert landed.files == 4
    assert user.dirt() == "?? d/fix.patch"
    user.git("apply", "--index", landed.target)
    assert user.git("write-tree") == tree
    outside = user.folder / "elsewhere.patch"
    assert user.land(tree, "patch", str(outside)).target == str(outside)
    assert outside.read_bytes() == Path(landed.target).read_bytes()
    user.write({"plain": "as any new file\n"}, user.folder)
    assert outside.stat().st_mode == (user.folder / "plain").stat().st_mode


def test_a_patch_never_overwrites(user: "User") -> None:
    tree = user.snapshot({"b": "2\n"})
    (user.top / "link.patch").symlink_to("nowhere")
    for name, error in (
        ("a", Conflict),
        ("d", Conflict),
        ("link.patch", Conflict),
        ("no/folder", InvalidInput),
    ):
        with user.unchanged(), pytest.raises(error):
            user.land(tree, "patch", name)
    with user.unchanged(), pytest.raises(InvalidInput):
        user.land(tree, "patch", None)
    with user.unchanged(), pytest.raises(CodencerError):
        user.land(tree, "commit", "a target that makes no sense")


def test_permissions_are_those_of_the_users_other_files(user: "User") -> None:
    """The daemon makes its own files private."""
    tree = user.snapshot({"b": "2\n", "e/new": "n\n", "program": "x\n"}, programs=("program",))
    index = user.top / ".git" / "index"
    usual, of_index, folder = (each.stat().st_mode for each in (user.top / "a", index, user.top / "d"))
    before = os.umask(0o077)
    try:
        user.land(tree)
        user.land(tree, "patch", "x.patch")
    finally:
        os.umask(before)
    for name in ("b", "e/new", "x.patch"):
        assert (user.top / name).stat().st_mode == usual, name
    assert index.stat().st_mode == of_index
    assert (user.top / "e").stat().st_mode == folder
    assert (user.top / "program").stat().st_mode & 0o777 == folder & 0o777


@pytest.mark.parametrize(("form", "target"), EVERY_FORM)
def test_what_has_landed_before_is_known_while_it_is_there(
    user: "User", form: str, target: str | None
) -> None:
    request = user.request(user.snapshot({"b": "2\n"}), form, target)
    before = user.git("rev-parse", "HEAD")
    landed = user.land(request.work.tree, form, target)
    earlier = replace(landed, files=0)
    assert user.before(request, earlier) == replace(landed, already=True)
    assert user.before(replace(request, target="other"), earlier) is None
    user.commit({"b": "3\n"})
    assert user.before(request, earlier) == replace(landed, already=True), "what came later is no matter"
    user.git("reset", "-q", "--hard", before)
    if form == "branch":
        user.git("branch", "-q", "-D", "x")
    if form == "patch":
        user.write({"x.patch": "something else\n"})
    assert user.before(request, earlier) is None
