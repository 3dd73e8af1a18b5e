"""A snapshot holds everything an attempt left behind, however it left it."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.errors import GitFailed
from codencer.workspace.git import Git, read_settings
from codencer.workspace.release import discard
from codencer.workspace.snapshot import read_taken

if TYPE_CHECKING:
    from tests.integration.workspace.conftest import Desk

GitCall = Callable[..., str]
MakeRepo = Callable[..., Path]


def test_an_untouched_workspace_gives_the_bases_tree(desk: "Desk", git: GitCall) -> None:
    desk.attempt()
    taken = desk.take()
    assert taken.tree == git(desk.repo, "rev-parse", "HEAD^{tree}")
    assert (taken.complete, taken.problems) == (True, ())
    assert git(desk.repo, "rev-parse", desk.ref) == taken.commit
    assert git(desk.repo, "log", "-1", "--format=%P|%an <%ae>|%s", taken.commit) == (
        f"{desk.base}|Codencer <codencer@localhost>|What the agent left"
    )


def test_edits_additions_deletions_modes_and_links(desk: "Desk") -> None:
    workspace = desk.attempt()
    (workspace / "README.md").write_text("Changed.\n")
    (workspace / "src/main.py").chmod(0o755)
    (workspace / "tests/test_main.py").unlink()
    (workspace / "src/deep/data.bin").rename(workspace / "moved.bin")
    (workspace / "new/deep").mkdir(parents=True)
    (workspace / "new/deep/file").write_text("new\n")
    (workspace / "link").symlink_to("README.md")
    (workspace / "ignored.log").write_text("noise")
    (workspace / "src/deep/local").write_text("noise")
    (workspace / "src/deep/keep.log").write_text("kept")
    stored = desk.stored(desk.take().commit)
    assert stored == {
        b".gitignore": ("100644", b"*.log\nbuild/\n"),
        b"README.md": ("100644", b"Changed.\n"),
        b"link": ("120000", b"README.md"),
        b"moved.bin": ("100644", bytes(range(256))),
        b"new/deep/file": ("100644", b"new\n"),
        b"src/deep/.gitignore": ("100644", b"!keep.log\n/local\n"),
        b"src/deep/keep.log": ("100644", b"kept"),
        b"src/main.py": ("100755", b"print('hello')\n"),
    }


def test_a_snapshot_is_taken_once(desk: "Desk") -> None:
    workspace = desk.attempt()
    (workspace / "a").write_text("first")
    first = desk.take()
    (workspace / "b").write_text("too late")
    assert desk.take() == first
    shutil.rmtree(workspace)
    assert desk.take() == first


def test_what_is_wrong_is_remembered_with_the_commit(desk: "Desk") -> None:
    workspace = desk.attempt()
    (workspace / ".GIT").mkdir()
    (workspace / ".GIT/x").write_text("cannot be stored")
    taken = desk.take()
    assert not taken.complete
    assert taken.problems == (".GIT/x: git stores no path with this name",)
    assert read_taken(desk.store, taken.commit) == taken
    assert desk.take() == taken


def test_files_folders_and_links_trade_places(desk: "Desk", tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "main.py").write_text("print('hello')\n")
    (outside / "secret").write_text("not part of the work")
    workspace = desk.attempt()
    shutil.rmtree(workspace / "src")
    (workspace / "src").symlink_to(outside)
    (workspace / "README.md").unlink()
    (workspace / "README.md").mkdir()
    (workspace / "README.md/inner").write_text("a folder now")
    shutil.rmtree(workspace / "tests")
    (workspace / "tests").write_text("a file now")
    taken = desk.take()
    stored = desk.stored(taken.commit)
    assert (taken.complete, taken.problems) == (True, ())
    assert stored == {
        b".gitignore": ("100644", b"*.log\nbuild/\n"),
        b"README.md/inner": ("100644", b"a folder now"),
        b"src": ("120000", os.fsencode(outside)),
        b"tests": ("100644", b"a file now"),
    }


def test_a_folder_moved_away_and_linked_back_is_a_link(desk: "Desk") -> None:
    workspace = desk.attempt()
    (workspace / "src").rename(workspace / "source")
    (workspace / "src").symlink_to("source")
    taken = desk.take()
    assert taken.complete
    stored = desk.stored(taken.commit)
    assert stored[b"src"] == ("120000", b"source")
    assert stored[b"source/main.py"] == ("100644", b"print('hello')\n")
    assert b"src/main.py" not in stored


def test_a_folder_that_became_an_ignored_link_is_gone(desk: "Desk", git: GitCall) -> None:
    (desk.repo / "kept.log").mkdir()
    (desk.repo / "kept.log/file").write_text("tracked in spite of the rule")
    git(desk.repo, "add", "-f", "kept.log/file")
    git(desk.repo, "commit", "-qm", "tracked")
    workspace = desk.attempt()
    (workspace / "kept.log").rename(workspace / "elsewhere")
    (workspace / "kept.log").symlink_to("elsewhere")
    (workspace / "elsewhere/file").write_text("changed")
    taken = desk.take()
    stored = desk.stored(taken.commit)
    assert taken.complete
    assert b"kept.log/file" not in stored
    assert b"elsewhere/file" in stored


def test_a_folder_that_became_a_link_to_itself_is_a_link(desk: "Desk") -> None:
    workspace = desk.attempt()
    shutil.rmtree(workspace / "src")
    (workspace / "src").symlink_to("src")
    taken = desk.take()
    assert (taken.complete, taken.problems) == (True, ())
    stored = desk.stored(taken.commit)
    assert [path for path in stored if path.startswith(b"src")] == [b"src"]


def test_an_edit_of_the_same_size_in_the_same_second_is_found(desk: "Desk") -> None:
    workspace = desk.attempt()
    (workspace / "README.md").write_text("A PROGRAM.\n")
    assert desk.stored(desk.take().commit)[b"README.md"] == ("100644", b"A PROGRAM.\n")


def test_an_edit_with_its_time_put_back_is_found(desk: "Desk") -> None:
    workspace = desk.attempt()
    file = workspace / "README.md"
    before = file.stat()
    file.write_text("A PROGRAM.\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert desk.stored(desk.take().commit)[b"README.md"] == ("100644", b"A PROGRAM.\n")


@pytest.mark.parametrize("damage", ["gone", "empty", "garbage"])
def test_the_bridges_index_is_made_anew_when_it_is_damaged(desk: "Desk", damage: str) -> None:
    workspace = desk.attempt()
    (workspace / "README.md").write_text("Changed.\n")
    (workspace / "tests/test_main.py").unlink()
    if damage == "gone":
        desk.index.unlink()
    else:
        desk.index.write_bytes(b"" if damage == "empty" else os.urandom(300))
    taken = desk.take()
    stored = desk.stored(taken.commit)
    assert taken.complete
    assert stored[b"README.md"][1] == b"Changed.\n"
    assert b"tests/test_main.py" not in stored
    assert b"src/main.py" in stored


def test_nested_repositories_are_stored_as_files(desk: "Desk", git: GitCall) -> None:
    workspace = desk.attempt()
    for place in ("vendored", "src/again/deeper"):
        (workspace / place / "build").mkdir(parents=True)
        git(workspace / place, "init", "-q")
        (workspace / place / "code.py").write_text("x = 1\n")
        (workspace / place / "build/out").write_text("ignored by the base")
        git(workspace / place, "add", "-A")
        git(workspace / place, "commit", "-qm", "nested")
    git(workspace / "src/deep", "init", "-q")
    (workspace / "src/deep/fresh").write_text("beside tracked files")
    git(workspace, "add", "vendored")
    git(workspace, "commit", "-qm", "as a gitlink")
    stored = desk.stored(desk.take().commit)
    assert stored[b"vendored/code.py"] == ("100644", b"x = 1\n")
    assert stored[b"src/again/deeper/code.py"] == ("100644", b"x = 1\n")
    assert stored[b"src/deep/fresh"] == ("100644", b"beside tracked files")
    assert not [path for path in stored if b"/.git/" in path or b"/build/" in path]


def test_a_tracked_file_that_became_a_repository_is_stored_as_files(desk: "Desk", git: GitCall) -> None:
    workspace = desk.attempt()
    (workspace / "README.md").unlink()
    (workspace / "README.md").mkdir()
    git(workspace / "README.md", "init", "-q")
    (workspace / "README.md/x").write_text("x")
    git(workspace / "README.md", "add", "-A")
    git(workspace / "README.md", "commit", "-qm", "nested")
    stored = desk.stored(desk.take().commit)
    assert stored[b"README.md/x"] == ("100644", b"x")


def test_sockets_and_pipes_do_not_hold_it_up(desk: "Desk", tmp_path: Path) -> None:
    workspace = desk.attempt()
    os.mkfifo(workspace / "pipe")
    with tempfile.TemporaryDirectory(dir="/tmp") as short, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"{short}/s")
        os.rename(f"{short}/s", workspace / "socket")
    assert desk.take().complete


def test_a_tracked_file_that_became_a_pipe_is_told(desk: "Desk") -> None:
    workspace = desk.attempt()
    (workspace / "README.md").unlink()
    os.mkfifo(workspace / "README.md")
    (workspace / "new").write_text("still stored")
    taken = desk.take()
    assert not taken.complete
    assert "README.md: a socket, pipe or device" in taken.problems[0]
    assert desk.stored(taken.commit)[b"new"] == ("100644", b"still stored")


def test_what_cannot_be_read_is_told(desk: "Desk") -> None:
    workspace = desk.attempt()
    (workspace / "locked").mkdir()
    (workspace / "locked/file").write_text("x")
    (workspace / "locked").chmod(0)
    (workspace / "secret").write_text("x")
    (workspace / "secret").chmod(0)
    if os.access(workspace / "secret", os.R_OK):
        pytest.skip("this user can read everything")
    (workspace / "new").write_text("still stored")
    taken = desk.take()
    (workspace / "locked").chmod(0o700)
    assert not taken.complete
    assert "secret: not stored: Permission denied" in taken.problems
    assert any("locked" in problem for problem in taken.problems)
    assert b"new" in desk.stored(taken.commit)


def test_folders_too_deep_for_a_path_name_are_told(desk: "Desk") -> None:
    workspace = desk.attempt()
    (workspace / "new").write_text("still stored")
    here = os.open(workspace, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    taken = desk.take()
    assert not taken.complete
    assert taken.problems
    assert b"new" in desk.stored(taken.commit)


ROT13 = "tr 'A-Za-z' 'N-ZA-Mn-za-m'"


def filtered(make_repo: MakeRepo, git: GitCall) -> Path:
    repo = make_repo(commit=False)
    git(repo, "config", "filter.rot.clean", ROT13)
    git(repo, "config", "filter.rot.smudge", ROT13)
    git(repo, "config", "filter.rot.required", "true")
    (repo / ".gitattributes").write_text("*.rot filter=rot\n")
    (repo / "a.rot").write_text("Hello\n")
    (repo / "b.rot").write_text("World\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "filtered")
    return repo


def test_filters_work_on_both_ways(
    make_repo: MakeRepo, make_desk: Callable[[Path], "Desk"], git: GitCall
) -> None:
    desk = make_desk(filtered(make_repo, git))
    workspace = desk.attempt()
    assert (workspace / "a.rot").read_text() == "Hello\n"
    (workspace / "b.rot").write_text("Changed\n")
    taken = desk.take()
    stored = desk.stored(taken.commit)
    assert taken.complete
    assert stored[b"a.rot"] == ("100644", b"Uryyb\n")
    assert stored[b"b.rot"] == ("100644", b"Punatrq\n")


def test_a_filter_the_user_emptied_later_changes_nothing(
    make_repo: MakeRepo, make_desk: Callable[[Path], "Desk"], git: GitCall
) -> None:
    repo = filtered(make_repo, git)
    desk = make_desk(repo)
    desk.attempt()
    git(repo, "config", "--remove-section", "filter.rot")
    assert desk.take().tree == git(repo, "rev-parse", "HEAD^{tree}")


def test_a_filter_that_was_never_there_changes_nothing(
    make_repo: MakeRepo, make_desk: Callable[[Path], "Desk"], git: GitCall
) -> None:
    repo = filtered(make_repo, git)
    git(repo, "config", "--remove-section", "filter.rot")
    desk = make_desk(repo)
    workspace = desk.attempt()
    assert (workspace / "a.rot").read_text() == "Uryyb\n"
    os.utime(workspace / "a.rot")
    assert desk.take().tree == git(repo, "rev-parse", "HEAD^{tree}")


def test_a_filter_that_fails_loses_no_file(
    make_repo: MakeRepo, make_desk: Callable[[Path], "Desk"], git: GitCall
) -> None:
    repo = filtered(make_repo, git)
    git(repo, "config", "filter.rot.clean", f"grep -v forbidden | {ROT13}")
    desk = make_desk(repo)
    workspace = desk.attempt()
    (workspace / "a.rot").write_text("forbidden\n")
    for number in range(9):
        (workspace / f"new{number}.rot").write_text("fine\n")
    taken = desk.take()
    stored = desk.stored(taken.commit)
    assert stored[b"new8.rot"] == ("100644", b"svar\n")
    assert b"a.rot" in stored
    git(repo, "config", "filter.rot.clean", "false")
    desk.settings = read_settings(repo)
    workspace = desk.attempt()
    (workspace / "a.rot").write_text("forbidden\n")
    (workspace / "plain").write_text("plain\n")
    taken = desk.take()
    stored = desk.stored(taken.commit)
    assert not taken.complete
    assert "a.rot: stored without its filter" in taken.problems[0]
    assert stored[b"a.rot"] == ("100644", b"forbidden\n")
    assert stored[b"plain"] == ("100644", b"plain\n")


def test_line_endings_are_converted_as_the_user_has_it(
    make_repo: MakeRepo, make_desk: Callable[[Path], "Desk"], git: GitCall
) -> None:
    repo = make_repo({"a.txt": "one\ntwo\n"})
    git(repo, "config", "core.autocrlf", "true")
    git(repo, "config", "core.safecrlf", "true")
    desk = make_desk(repo)
    workspace = desk.attempt()
    assert (workspace / "a.txt").read_bytes() == b"one\r\ntwo\r\n"
    os.utime(workspace / "a.txt")
    (workspace / "b.txt").write_bytes(b"mixed\r\nends\n")
    taken = desk.take()
    stored = desk.stored(taken.commit)
    assert taken.complete
    assert stored == {b"a.txt": ("100644", b"one\ntwo\n"), b"b.txt": ("100644", b"mixed\nends\n")}


def test_a_link_in_the_place_of_an_ignored_folder_is_ignored(desk: "Desk", tmp_path: Path) -> None:
    workspace = desk.attempt()
    (workspace / "build").symlink_to(tmp_path)
    (workspace / "other").symlink_to(tmp_path)
    stored = desk.stored(desk.take().commit)
    assert b"build" not in stored
    assert b"other" in stored


def test_a_failure_names_what_git_said(desk: "Desk") -> None:
    with pytest.raises(GitFailed, match=r"git cat-file failed with code 128: fatal: .*bad file"):
        Git(desk.store).run("cat-file", "commit", "1" * 40)


names = st.one_of(
    st.sampled_from(
        ["a", "b", "A", "a.log", "x y", '"q"', "back\\slash", "new\nline", "ü", "-dash", ":(x)", "*"]
    ),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8),
)
raw_names = st.one_of(
    names.map(lambda name: name.encode()),
    st.binary(min_size=1, max_size=6).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_")),
).filter(lambda name: name not in (b".", b"..") and name.lower() != b".git")
leaves = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=40)),
    st.tuples(st.just("program"), st.binary(max_size=10)),
    st.tuples(st.just("link"), raw_names),
)
trees = st.recursive(
    st.dictionaries(raw_names, leaves, max_size=4),
    lambda below: st.dictionaries(raw_names, st.one_of(leaves, below), max_size=4),
    max_leaves=12,
)


def plant(folder: bytes, tree: object) -> None:
    assert isinstance(tree, dict)
    for name, what in tree.items():
        path = folder + b"/" + name
        if isinstance(what, dict):
            os.mkdir(path)
            plant(path, what)
        elif what[0] == "link":
            os.symlink(what[1], path)
        else:
            with open(path, "wb") as file:
                file.write(what[1])
            os.chmod(path, 0o755 if what[0] == "program" else 0o644)


def harvest(folder: bytes) -> dict[bytes, tuple[str, bytes]]:
    found = {}
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != b".git"]
        for name in [*files, *(each for each in folders if os.path.islink(os.path.join(here, each)))]:
            path = os.path.join(here, name)
            about = os.lstat(path)
            mode = "120000" if os.path.islink(path) else "100755" if about.st_mode & 0o100 else "100644"
            content = os.readlink(path) if mode == "120000" else Path(os.fsdecode(path)).read_bytes()
            found[os.path.relpath(path, folder)] = (mode, content)
    return found


@pytest.fixture
def empty(make_repo: MakeRepo, make_desk: Callable[[Path], "Desk"]) -> "Desk":
    """A desk with a repository that ignores nothing."""
    return make_desk(make_repo({"a": "a"}, name="empty"))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=trees, after=trees)
def test_any_tree_checks_out_to_the_same_bytes(
    empty: "Desk", before: dict[bytes, object], after: dict[bytes, object]
) -> None:
    desk = empty
    base = desk.base
    for tree in (before, after):
        workspace = desk.attempt(base)
        for each in [*workspace.iterdir()]:
            if each.name != ".git":
                discard(each)
        plant(os.fsencode(workspace), tree)
        expected = harvest(os.fsencode(workspace))
        taken = desk.take(base)
        assert (taken.complete, taken.problems) == (True, ())
        base = taken.commit
        assert harvest(os.fsencode(desk.attempt(base))) == expected
