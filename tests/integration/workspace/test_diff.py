"""The diff of two trees: every kind of change, names of any bytes, and patches that apply exactly."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from codencer.errors import GitFailed
from codencer.model.attempt import FileChange
from codencer.workspace.diff import changed_files, largest_file, patch, stat
from codencer.workspace.git import open_store

MakeRepo = Callable[..., Path]
Tree = Mapping[str, tuple[str, bytes]]
"""Path (surrogates for odd bytes) to mode and content."""

FILE, PROGRAM, LINK, GITLINK = "100644", "100755", "120000", "160000"


class Trees:
    """A bare repository to write trees into."""

    def __init__(self, folder: Path) -> None:
        self.git_dir = folder / "trees.git"
        self.work = folder / "work"
        self.index = folder / "index"
        subprocess.run(["git", "init", "--quiet", "--bare", "--template=", self.git_dir], check=True)
        self.store = open_store(self.git_dir, folder / "state")

    def git(self, *arguments: str, stdin: bytes = b"", code: int = 0) -> bytes:
        places = {"GIT_DIR": self.git_dir, "GIT_WORK_TREE": self.work, "GIT_INDEX_FILE": self.index}
        self.work.mkdir(exist_ok=True)
        env = {**os.environ, **{name: str(place) for name, place in places.items()}}
        done = subprocess.run(
            ["git", *arguments], cwd=self.work, env=env, input=stdin, capture_output=True, check=False
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    def write(self, tree: Tree) -> str:
        lines = []
        for path, (mode, content) in tree.items():
            if mode == GITLINK:
                name = content.decode()
            else:
                name = self.git("hash-object", "-w", "--stdin", stdin=content).decode().strip()
            lines.append(f"{mode} {name}\t".encode() + os.fsencode(path) + b"\0")
        self.index.unlink(missing_ok=True)
        self.git("update-index", "-z", "--index-info", stdin=b"".join(lines))
        return self.git("write-tree").decode().strip()

    def apply(self, base: str, patch_file: Path) -> str:
        self.git("read-tree", base)
        if patch_file.stat().st_size:
            self.git("apply", "--cached", str(patch_file))
        return self.git("write-tree").decode().strip()


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path)


def text(lines: int, word: str = "line") -> bytes:
    return b"".join(b"%s %d\n" % (word.encode(), number) for number in range(lines))


OLD: Tree = {
    "changed": (FILE, b"1\n2\n"),
    "gone": (FILE, b"1\n"),
    "moved/from": (FILE, text(20)),
    "program": (FILE, b"#!/bin/sh\n"),
    "retyped": (FILE, b"target"),
    "picture": (FILE, b"\0\1\2"),
    "sub": (GITLINK, b"1" * 40),
    "link": (LINK, b"here"),
    "same": (FILE, b"same\n"),
    "caf\udce9": (FILE, b"1\n"),
}
NEW: Tree = {
    "changed": (FILE, b"1\n3\n4\n"),
    "moved/to": (FILE, text(20) + b"one more\n"),
    "program": (PROGRAM, b"#!/bin/sh\n"),
    "retyped": (LINK, b"target"),
    "picture": (FILE, b"\0\1\3"),
    "sub": (GITLINK, b"2" * 40),
    "link": (LINK, b"there"),
    "same": (FILE, b"same\n"),
    "caf\udce9": (FILE, b"2\n"),
    "added": (FILE, b"a"),
    '"quoted"': (FILE, b"q\n"),
    "new\nline": (FILE, b"n\n"),
    "ümlaut": (FILE, b"u\n"),
}


def test_every_kind_of_change(trees: Trees) -> None:
    found = {change.path: change for change in changed_files(trees.store, trees.write(OLD), trees.write(NEW))}

    def change(path: str, status: str, modes: str, counts: tuple[int | None, int | None]) -> FileChange:
        old, _, new = modes.partition(" ")
        additions, deletions = counts
        return FileChange(
            path=path, status=status, additions=additions, deletions=deletions, old_mode=old, new_mode=new
        )

    assert found.pop("moved/to") == FileChange(
        path="moved/to",
        status="R",
        additions=1,
        deletions=0,
        old_path="moved/from",
        old_mode=FILE,
        new_mode=FILE,
    )
    expected = [
        change("changed", "M", f"{FILE} {FILE}", (2, 1)),
        change("gone", "D", f"{FILE} 000000", (0, 1)),
        change("program", "M", f"{FILE} {PROGRAM}", (0, 0)),
        change("retyped", "T", f"{FILE} {LINK}", (0, 0)),
        change("picture", "M", f"{FILE} {FILE}", (None, None)),
        change("sub", "M", f"{GITLINK} {GITLINK}", (1, 1)),
        change("link", "M", f"{LINK} {LINK}", (1, 1)),
        change('"caf\\351"', "M", f"{FILE} {FILE}", (1, 1)),
        change("added", "A", f"000000 {FILE}", (1, 0)),
        change('"\\"quoted\\""', "A", f"000000 {FILE}", (1, 0)),
        change("new\nline", "A", f"000000 {FILE}", (1, 0)),
        change("ümlaut", "A", f"000000 {FILE}", (1, 0)),
    ]
    assert found == {each.path: each for each in expected}


def test_copies_and_pure_renames(trees: Trees) -> None:
    base = trees.write({"a": (FILE, text(9)), "b": (FILE, text(9, "other"))})
    tree = trees.write({"a": (FILE, text(9)), "copy": (FILE, text(9)), "c": (PROGRAM, text(9, "other"))})
    found = [(each.path, each.status, each.old_path) for each in changed_files(trees.store, base, tree)]
    assert found == [("c", "R", "b"), ("copy", "A", None)]


def test_nothing_changed(trees: Trees, tmp_path: Path) -> None:
    tree = trees.write(OLD)
    assert changed_files(trees.store, tree, tree) == []
    assert stat(trees.store, tree, tree) == " 0 files changed\n"
    patch(trees.store, tree, tree, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b""


def test_the_histogram_and_its_summary(trees: Trees) -> None:
    base = trees.write({"a": (FILE, b"1\n"), "gone": (FILE, b"1\n")})
    tree = trees.write({"a": (FILE, b"1\n2\n"), "ümlaut": (FILE, b"u\n"), "bin": (FILE, b"\0")})
    table = stat(trees.store, base, tree)
    assert " a      |   1 +\n" in table
    assert " ümlaut |   1 +\n" in table
    assert "Bin 0 -> 1 bytes" in table
    assert table.endswith(" 4 files changed, 2 insertions(+), 1 deletion(-)\n")
    odd = trees.write({"caf\udce9": (FILE, b"1\n")})
    assert '"caf\\351"' in stat(trees.store, base, odd)


def test_attributes_and_programs_of_the_content_have_no_say(trees: Trees, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    trees.git("config", "diff.external", f"touch {ran}")
    trees.git("config", "diff.spy.textconv", f"touch {ran}; cat")
    trees.git("config", "diff.noprefix", "true")
    attributes = (FILE, b"* -diff\n*.py diff=spy\n")
    base = trees.write({".gitattributes": attributes, "a.py": (FILE, b"1\n")})
    tree = trees.write({".gitattributes": attributes, "a.py": (FILE, b"2\n")})
    assert [each.additions for each in changed_files(trees.store, base, tree)] == [1]
    patch(trees.store, base, tree, tmp_path / "out")
    assert b"-1\n+2\n" in (tmp_path / "out").read_bytes()
    assert b"a/a.py b/a.py" in (tmp_path / "out").read_bytes()
    stat(trees.store, base, tree)
    assert not ran.exists()


def test_the_patch_of_every_kind_of_change_applies(trees: Trees, tmp_path: Path) -> None:
    base, tree = trees.write(OLD), trees.write(NEW)
    patch(trees.store, base, tree, tmp_path / "out")
    assert trees.apply(base, tmp_path / "out") == tree


_CONTENTS = st.one_of(
    st.sampled_from([b"", b"a", b"a\n", b"a\r\nb", text(20), text(20) + b"more\n", text(20)[7:]]),
    st.binary(max_size=40),
)
_MODES = st.sampled_from([FILE, FILE, FILE, PROGRAM, LINK])
_NAMES = st.sampled_from(["a", "b", "a b", "é", "x\udce9", "t\tab", "new\nline", '"q"', "-dash", "b.py"])


@st.composite
def generated(draw: st.DrawFn) -> Tree:
    """A tree of files at depth one to three in which no name is both a file and a folder."""
    paths = draw(st.lists(st.lists(_NAMES, min_size=1, max_size=3).map("/".join), max_size=7, unique=True))
    whole = [path for path in paths if not any(other.startswith(path + "/") for other in paths)]
    return {
        path: (mode, content or b"x") if (mode := draw(_MODES)) == LINK else (mode, content)
        for path in whole
        for content in [draw(_CONTENTS)]
    }


@pytest.fixture(scope="module")
def shared_trees(tmp_path_factory: pytest.TempPathFactory) -> Trees:
    return Trees(tmp_path_factory.mktemp("generated"))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(old=generated(), new=generated())
def test_a_patch_reproduces_the_tree_exactly(shared_trees: Trees, old: Tree, new: Tree) -> None:
    links = [path for path, (mode, _) in old.items() if mode == LINK]
    # `git apply` refuses any patch with a path below what was a link, also when the same patch removes that.
    assume(not any(path.startswith(f"{link}/") for path in new for link in links))
    base, tree = shared_trees.write(old), shared_trees.write(new)
    out = shared_trees.index.with_name("out")
    patch(shared_trees.store, base, tree, out)
    assert shared_trees.apply(base, out) == tree
    changed = {each.path for each in changed_files(shared_trees.store, base, tree)}
    assert bool(changed) == (base != tree)


def test_a_link_that_becomes_a_folder_is_two_changes(trees: Trees) -> None:
    base = trees.write({"a": (LINK, b"elsewhere")})
    tree = trees.write({"a/a": (FILE, b"1\n")})
    found = {each.path: each.status for each in changed_files(trees.store, base, tree)}
    assert found == {"a": "D", "a/a": "A"}


def test_a_huge_change_goes_straight_to_the_file(trees: Trees, tmp_path: Path) -> None:
    base = trees.write({"a": (FILE, b"gone\n")})
    tree = trees.write({f"d/{number}": (FILE, b"%d\n" % number) for number in range(300)})
    patch(trees.store, base, tree, tmp_path / "out")
    assert trees.apply(base, tmp_path / "out") == tree
    assert len(changed_files(trees.store, base, tree)) == 301


def test_the_largest_file_is_looked_for_among_what_is_new_or_changed(trees: Trees) -> None:
    huge = {"same": (FILE, text(900)), "sub": (GITLINK, b"1" * 40)}
    old = trees.write({**huge, "gone": (FILE, text(800)), "a": (FILE, b"1")})
    new = trees.write({**huge, "a": (FILE, b"12345"), "link": (LINK, b"here"), "other": (GITLINK, b"2" * 40)})
    assert largest_file(trees.store, old, new) == 5
    assert largest_file(trees.store, old, old) == 0
    with pytest.raises(GitFailed):
        largest_file(trees.store, old, "3" * 40)
