"""The validated tree has protected paths as in the base, and a workspace can be made it again and again."""

import os
import subprocess
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.errors import InvalidInput
from codencer.globs import Globs
from codencer.workspace.git import GitSettings, Store, open_store, read_settings
from codencer.workspace.lay import Guard, lay_validated
from codencer.workspace.provisioned import note_provisioned, read_noted
from codencer.workspace.validated import validated_tree

MakeRepo = Callable[..., Path]
FILE, PROGRAM, LINK, GITLINK = "100644", "100755", "120000", "160000"
Entry = tuple[str, str]
"""Mode and content (the commit of a gitlink)."""


class Repository:
    """A repository of the user's, to write trees into and read them from."""

    def __init__(self, top: Path, state: Path) -> None:
        self.top, self.index = top, state / "scratch-index"
        state.mkdir(exist_ok=True)
        self.store: Store = open_store(top / ".git", state)

    def git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        env = {**os.environ, "GIT_INDEX_FILE": str(self.index)}
        done = subprocess.run(
            ["git", *arguments], cwd=self.top, env=env, input=stdin, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def tree(self, entries: Mapping[str, str | Entry]) -> str:
        lines = []
        for path, entry in entries.items():
            mode, content = (FILE, entry) if isinstance(entry, str) else entry
            name = content
            if mode != GITLINK:
                name = self.git("hash-object", "-w", "--stdin", stdin=content.encode()).decode().strip()
            lines.append(f"{mode} {name}\t".encode() + os.fsencode(path) + b"\0")
        self.index.unlink(missing_ok=True)
        self.git("update-index", "-z", "--index-info", stdin=b"".join(lines))
        return self.git("write-tree").decode().strip()

    def commit(self, entries: Mapping[str, str | Entry]) -> str:
        return self.git("commit-tree", self.tree(entries), "-m", "base").decode().strip()

    def read(self, tree: str) -> dict[str, str | Entry]:
        found: dict[str, str | Entry] = {}
        for line in self.git("ls-tree", "-r", "-z", "--full-tree", tree).split(b"\0")[:-1]:
            about, _, path = line.partition(b"\t")
            mode, kind, name = about.decode().split()
            content = name if kind == "commit" else self.git("cat-file", "blob", name).decode()
            found[os.fsdecode(path)] = content if mode == FILE else (mode, content)
        return found


@pytest.fixture
def repository(make_repo: MakeRepo, tmp_path: Path) -> Repository:
    return Repository(make_repo(), tmp_path / "state")


BASE: dict[str, str | Entry] = {"src/a.py": "1", "tests/t.py": "t", "tests/deep/u.py": "u"}

CASES: dict[str, tuple[Mapping[str, str | Entry], list[str], Mapping[str, str | Entry], tuple[str, ...]]] = {
    "an edit": (
        BASE | {"src/a.py": "2", "tests/t.py": "pass"},
        ["tests/"],
        BASE | {"src/a.py": "2"},
        ("tests/t.py",),
    ),
    "a deletion": (
        {"src/a.py": "2", "tests/t.py": "t"},
        ["tests"],
        BASE | {"src/a.py": "2"},
        ("tests/deep/u.py",),
    ),
    "an addition": (
        BASE | {"tests/conftest.py": "skip", "conftest.py": "c"},
        ["tests/"],
        BASE | {"conftest.py": "c"},
        ("tests/conftest.py",),
    ),
    "a mode": (BASE | {"tests/t.py": (PROGRAM, "t")}, ["*.py"], BASE, ("tests/t.py",)),
    "a type": (BASE | {"tests/t.py": (LINK, "../src/a.py")}, ["tests/"], BASE, ("tests/t.py",)),
    "moved out": (
        {"src/a.py": "1", "src/t.py": "t", "tests/deep/u.py": "u"},
        ["tests/"],
        BASE | {"src/t.py": "t"},
        ("tests/t.py",),
    ),
    "moved in": (
        {"tests/a.py": "1", **{k: v for k, v in BASE.items() if k != "src/a.py"}},
        ["tests/"],
        {k: v for k, v in BASE.items() if k != "src/a.py"},
        ("tests/a.py",),
    ),
    "a folder replaced by a symlink": (
        {"src/a.py": "1", "tests": (LINK, "src")},
        ["tests/"],
        BASE,
        ("tests", "tests/deep/u.py", "tests/t.py"),
    ),
    "a parent folder replaced by a symlink": (
        {"src/a.py": "1", "tests/t.py": "t", "tests/deep": (LINK, "../src")},
        ["/tests/deep/u.py"],
        BASE,
        ("tests/deep", "tests/deep/u.py"),
    ),
    "a folder replaced by a file": (
        {"src/a.py": "1", "tests": "file"},
        ["t.py"],
        {"src/a.py": "1", "tests/t.py": "t"},
        ("tests", "tests/t.py"),
    ),
    "a file replaced by a folder": (
        {"src/a.py": "1", "tests/deep/u.py": "u", "tests/t.py/x": "x", "tests/t.py/y/z": "z"},
        ["t.py", "!t.py/**"],
        BASE,
        ("tests/t.py", "tests/t.py/x", "tests/t.py/y/z"),
    ),
    "a new symlink with a folder's name": (
        BASE | {"more/tests": (LINK, "../src")},
        ["tests/"],
        BASE,
        ("more/tests",),
    ),
    "a submodule moved on": (
        {**BASE, "tests/sub": (GITLINK, "2" * 40)},
        ["tests/sub/"],
        BASE,
        ("tests/sub",),
    ),
    "an exception": (
        BASE | {"tests/t.py": "pass", "tests/data/x": "x"},
        ["tests/", "!tests/data/"],
        BASE | {"tests/data/x": "x"},
        ("tests/t.py",),
    ),
    "odd names": (
        {**BASE, "tests/x\udce9": "x", 'tests/"q"': "q", "tests/new\nline": "n"},
        ["tests/"],
        BASE,
        ("tests/new\nline", 'tests/"q"', '"tests/x\\351"'),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_protected_paths_are_put_back(repository: Repository, case: str) -> None:
    snapshot, protected, expected, put_back = CASES[case]
    base = repository.commit(BASE)
    tree, paths = validated_tree(repository.store, base, repository.tree(snapshot), protected)
    assert repository.read(tree) == dict(expected)
    assert sorted(paths) == sorted(put_back)


def test_a_submodule_of_the_base_is_put_back(repository: Repository) -> None:
    base = repository.commit({**BASE, "sub": (GITLINK, "1" * 40)})
    snapshot = repository.tree({**BASE, "sub/file": "no module any more"})
    tree, paths = validated_tree(repository.store, base, snapshot, ["sub/"])
    assert repository.read(tree) == {**BASE, "sub": (GITLINK, "1" * 40)}
    assert paths == ("sub", "sub/file")


def test_nothing_protected_changed(repository: Repository) -> None:
    base = repository.commit(BASE)
    snapshot = repository.tree({**BASE, "src/a.py": "2"})
    assert validated_tree(repository.store, base, snapshot, ["tests/"]) == (snapshot, ())
    assert validated_tree(repository.store, base, snapshot, []) == (snapshot, ())
    assert validated_tree(repository.store, base, base, ["**"]) == (base, ())
    with pytest.raises(InvalidInput):
        validated_tree(repository.store, base, snapshot, ["[a"])


def test_case_counts_where_the_file_system_tells_it_apart(repository: Repository) -> None:
    base = repository.commit(BASE)
    snapshot = repository.tree({**BASE, "Tests/x": "x"})
    assert validated_tree(repository.store, base, snapshot, ["tests/"]) == (snapshot, ())
    repository.git("config", "core.ignorecase", "true")
    tree, paths = validated_tree(repository.store, base, snapshot, ["tests/"])
    assert repository.read(tree) == dict(BASE)
    assert paths == ("Tests/x",)


_PATHS = st.lists(st.sampled_from(["a", "b", "tests"]), min_size=1, max_size=3).map("/".join)
_ENTRIES = st.tuples(st.sampled_from([FILE, FILE, PROGRAM, LINK]), st.sampled_from(["1", "2"]))


@st.composite
def generated(draw: st.DrawFn) -> dict[str, Entry]:
    paths = draw(st.lists(_PATHS, max_size=6, unique=True))
    return {p: draw(_ENTRIES) for p in paths if not any(other.startswith(p + "/") for other in paths)}


@pytest.fixture(scope="module")
def shared_repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    top = tmp_path_factory.mktemp("generated")
    subprocess.run(["git", "init", "-q", top], check=True)
    return Repository(top, top / "state")


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    old=generated(),
    new=generated(),
    protected=st.sampled_from([["tests/"], ["/a"], ["tests", "!a"], ["b/**"]]),
)
def test_protected_paths_are_those_of_the_base(
    shared_repository: Repository,
    old: dict[str, Entry],
    new: dict[str, Entry],
    protected: list[str],
) -> None:
    tree, paths = validated_tree(
        shared_repository.store, shared_repository.commit(old), shared_repository.tree(new), protected
    )
    result, globs = shared_repository.read(tree), Globs(protected)
    plain_old = {path: content if mode == FILE else (mode, content) for path, (mode, content) in old.items()}
    plain_new = {path: content if mode == FILE else (mode, content) for path, (mode, content) in new.items()}
    for path in {*old, *new}:
        if globs.matches(path):
            assert result.get(path) == plain_old.get(path)
        elif path not in paths:
            assert result.get(path) == plain_new.get(path)
    assert set(result) <= {*old, *new}


def write(top: Path, name: str, text: str) -> None:
    (top / name).parent.mkdir(parents=True, exist_ok=True)
    (top / name).write_text(text)


class Laid:
    """A workspace beside a repository, with the bridge's index of it."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository, self.workspace, self.index = (
            repository,
            folder / "workspace",
            folder / "bridge-index",
        )
        self.settings: GitSettings = read_settings(repository.top)

    def lay(self, base: str, tree: str, guard: Guard | None = None) -> None:
        store, places = self.repository.store, {"workspace": self.workspace, "index": self.index}
        lay_validated(store, self.settings, base=base, tree=tree, guard=guard, **places)

    def files(self) -> dict[str, str]:
        """Every file but the git directory's, symlinks as `-> target`."""
        found = {}
        for folder, folders, names in os.walk(self.workspace):
            if folder == str(self.workspace) and ".git" in folders:
                folders.remove(".git")
            for name in (*names, *(each for each in folders if os.path.islink(os.path.join(folder, each)))):
                path = os.path.join(folder, name)
                text = f"-> {os.readlink(path)}" if os.path.islink(path) else Path(path).read_text()
                found[os.path.relpath(path, self.workspace)] = text
        return found


@pytest.fixture
def laid(repository: Repository, tmp_path: Path) -> Laid:
    return Laid(repository, tmp_path)


def test_every_kind_of_leftover_is_undone(laid: Laid) -> None:
    entries: dict[str, str | Entry] = {
        ".gitignore": "*.pyc\n/build/\n",
        "a": "1",
        "d/b": "2",
        "link": (LINK, "a"),
        "run": (PROGRAM, "#!"),
        "new\udce9": "odd",
    }
    base = laid.repository.commit(entries)
    tree = laid.repository.tree(entries)
    laid.lay(base, tree)
    whole = laid.files()
    assert whole["link"] == "-> a"
    assert len(whole) == 6

    top = laid.workspace
    (top / ".git").mkdir()
    (top / ".git" / "config").write_text("of the agent")
    (top / "a").write_text("edited")
    (top / "d" / "b").unlink()
    (top / "d").rmdir()
    (top / "d").write_text("a file where a folder was")
    (top / "link").unlink()
    (top / "link").mkdir()
    (top / "link" / "inside").write_text("x")
    (top / "run").chmod(0o644)
    (top / ".gitignore").write_text("*\n")
    (top / "left/over").mkdir(parents=True)
    (top / "left/over/x").write_text("x")
    (top / "left/cache.pyc").write_text("stays")
    (top / "build").mkdir()
    (top / "build" / "product").write_text("stays")
    (top / "odd\nname").write_text("x")
    laid.lay(base, tree)

    assert laid.files() == whole | {"left/cache.pyc": "stays", "build/product": "stays"}
    assert os.access(top / "run", os.X_OK)
    assert not (top / "left" / "over").exists()
    assert (top / ".git" / "config").read_text() == "of the agent"


def test_an_edit_that_keeps_size_and_time_is_undone(laid: Laid) -> None:
    base = laid.repository.commit({"tests/t.py": "assert False"})
    tree = laid.repository.tree({"tests/t.py": "assert False"})
    laid.lay(base, tree)
    target = laid.workspace / "tests" / "t.py"
    before = target.stat()
    target.write_text("assert True ")
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    laid.lay(base, tree)
    assert target.read_text() == "assert False"


def test_from_the_base_to_the_validated_tree_of_an_edit(laid: Laid) -> None:
    base = laid.repository.commit(BASE)
    laid.lay(base, laid.repository.tree(BASE))
    (laid.workspace / "src/a.py").write_text("2")
    (laid.workspace / "src/new.py").write_text("n")
    (laid.workspace / "tests/t.py").write_text("pass")
    snapshot = laid.repository.tree({**BASE, "src/a.py": "2", "src/new.py": "n", "tests/t.py": "pass"})
    tree, _ = validated_tree(laid.repository.store, base, snapshot, ["tests/"])
    laid.lay(base, tree)
    assert laid.files() == {**BASE, "src/a.py": "2", "src/new.py": "n"}


def test_ignored_files_of_the_agent_below_a_protected_folder_go(laid: Laid) -> None:
    entries: dict[str, str | Entry] = {".gitignore": "*.pyc\n.env\n", "tests/t.py": "t"}
    base, tree = laid.repository.commit(entries), laid.repository.tree(entries)
    laid.lay(base, tree)
    write(laid.workspace, "tests/.env", "provisioned")
    write(laid.workspace, "tests/__pycache__/t.pyc", "provisioned")
    record = laid.workspace.parent / "provisioned.json"
    note_provisioned(
        laid.repository.store,
        laid.settings,
        workspace=laid.workspace,
        index=laid.index,
        record=record,
        protected=["tests/"],
    )
    for name in ("tests/__pycache__/t.pyc", "src/__pycache__/a.pyc"):
        write(laid.workspace, name, "forged")
        os.utime(laid.workspace / name, (1, 1))
    laid.lay(base, tree, Guard(globs=["tests/"], noted=read_noted(record)))
    assert laid.files() == {**entries, "tests/.env": "provisioned", "src/__pycache__/a.pyc": "forged"}
    assert not (laid.workspace / "tests/__pycache__").exists()


def test_symlinks_lead_nowhere(laid: Laid, tmp_path: Path) -> None:
    base = laid.repository.commit({"d/a": "1"})
    tree = laid.repository.tree({"d/a": "1"})
    laid.lay(base, tree)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("precious")
    (outside / "b").write_text("precious")
    (laid.workspace / "d" / "a").unlink()
    (laid.workspace / "d").rmdir()
    (laid.workspace / "d").symlink_to(outside)
    (laid.workspace / "way out").symlink_to(outside)
    laid.lay(base, tree)
    assert laid.files() == {"d/a": "1"}
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"a": "precious", "b": "precious"}


def test_repositories_left_behind_go_and_stored_ones_stay(laid: Laid) -> None:
    base = laid.repository.commit({"a": "1"})
    tree = laid.repository.tree({"a": "1", "nested/file": "of the agent"})
    laid.lay(base, laid.repository.tree({"a": "1"}))
    for name in ("nested", "left"):
        subprocess.run(["git", "init", "-q", str(laid.workspace / name)], check=True)
        (laid.workspace / name / "file").write_text("of the agent")
        (laid.workspace / name / "more").write_text("more")
    laid.lay(base, tree)
    assert not (laid.workspace / "left").exists()
    assert (laid.workspace / "nested" / ".git" / "HEAD").exists()
    assert (laid.workspace / "nested" / "file").read_text() == "of the agent"
    assert not (laid.workspace / "nested" / "more").exists()


def test_a_filled_submodule_keeps_its_content(laid: Laid) -> None:
    entries: dict[str, str | Entry] = {"a": "1", "sub": (GITLINK, "1" * 40)}
    base, tree = laid.repository.commit(entries), laid.repository.tree({**entries, "a": "2"})
    laid.lay(base, laid.repository.tree(entries))
    (laid.workspace / "sub" / "file").write_text("of the submodule")
    laid.lay(base, tree)
    assert laid.files() == {"a": "2", "sub/file": "of the submodule"}


def test_a_lost_workspace_index_or_lock_is_no_obstacle(laid: Laid) -> None:
    base, tree = laid.repository.commit({"a": "1"}), laid.repository.tree({"a": "2"})
    laid.workspace.symlink_to(laid.index.parent)
    laid.lay(base, tree)
    assert not laid.workspace.is_symlink()
    laid.index.unlink()
    laid.index.with_name("bridge-index.lock").write_text("")
    (laid.workspace / "left").write_text("x")
    laid.lay(base, tree)
    assert laid.files() == {"a": "2"}


def test_the_user_is_not_touched(laid: Laid) -> None:
    def digest() -> dict[str, str]:
        paths = (path for path in laid.repository.top.rglob("*") if path.is_file())
        return {
            str(path): sha256(path.read_bytes()).hexdigest() for path in paths if "objects" not in path.parts
        }

    base, tree = laid.repository.commit({"a": "1"}), laid.repository.tree({"a": "2"})
    before = digest()
    laid.lay(base, tree)
    validated_tree(laid.repository.store, base, tree, ["a"])
    assert digest() == before


def test_line_endings_and_filters_are_the_users(laid: Laid) -> None:
    laid.repository.git("config", "filter.case.smudge", "tr a-z A-Z")
    laid.repository.git("config", "filter.case.clean", "tr A-Z a-z")
    laid.repository.git("config", "core.autocrlf", "true")
    laid.settings = read_settings(laid.repository.top)
    entries = {".gitattributes": "*.up filter=case\n", "a.up": "loud", "b": "x\n"}
    base, tree = laid.repository.commit(entries), laid.repository.tree(entries)
    laid.lay(base, tree)
    assert (laid.workspace / "a.up").read_text() == "LOUD"
    assert (laid.workspace / "b").read_bytes() == b"x\r\n"
    (laid.workspace / "a.up").write_text("edited")
    laid.lay(base, tree)
    assert (laid.workspace / "a.up").read_text() == "LOUD"
