"""A base is a commit found or made without touching anything of the user's but objects."""

import os
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from codencer.errors import Conflict, InvalidInput
from codencer.workspace.base import pin_base, resolve_base
from codencer.workspace.git import Store, open_store

MakeRepo = Callable[..., Path]


def git(top: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=top, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def store_of(top: Path, tmp_path: Path) -> Store:
    return open_store(
        Path(git(top, "rev-parse", "--path-format=absolute", "--git-common-dir")), tmp_path / "state"
    )


def state_of(top: Path) -> dict[str, tuple[int, str]]:
    """Every file of the repository, git directory included, but objects: mode and content."""
    found = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if name.startswith(".git/objects/"):
            continue
        if path.is_symlink():
            found[name] = (0, os.readlink(path))
        elif path.is_file():
            found[name] = (path.stat().st_mode, sha256(path.read_bytes()).hexdigest())
    return found


def files_of(top: Path, commit: str) -> dict[str, str]:
    names = git(top, "ls-tree", "-r", "--name-only", commit).splitlines()
    return {name: git(top, "show", f"{commit}:{name}") for name in names}


def test_every_way_to_name_a_commit(make_repo: MakeRepo, tmp_path: Path) -> None:
    top = make_repo({"a": "1\n"})
    store = store_of(top, tmp_path)
    first = git(top, "rev-parse", "HEAD")
    git(top, "tag", "-a", "v1", "-m", "tagged")
    git(top, "branch", "other")
    git(top, "commit", "-q", "--allow-empty", "-m", "second one")
    second = git(top, "rev-parse", "HEAD")
    for ref in ("v1", "other", "HEAD~1", first, first[:10], "refs/tags/v1", ":/first"):
        assert resolve_base(store, (), top, ref) == first, ref
    for ref in ("HEAD", "main", "@", ":/second"):
        assert resolve_base(store, (), top, ref) == second, ref


@pytest.mark.parametrize(
    "ref", ["nowhere", "", "-h", "--all", "^HEAD", "HEAD..HEAD", "0" * 40, "a\0b", "a\nb", "HEAD:a"]
)
def test_what_is_not_a_commit_is_refused(make_repo: MakeRepo, tmp_path: Path, ref: str) -> None:
    top = make_repo({"a": "1\n"})
    before = state_of(top)
    with pytest.raises(InvalidInput, match="base"):
        resolve_base(store_of(top, tmp_path), (), top, ref)
    assert state_of(top) == before


@pytest.mark.parametrize("ref", ["HEAD", "dirty", "main"])
def test_a_repository_without_a_commit(make_repo: MakeRepo, tmp_path: Path, ref: str) -> None:
    top = make_repo(commit=False)
    with pytest.raises(InvalidInput, match="make a first commit"):
        resolve_base(store_of(top, tmp_path), (), top, ref)


def test_a_linked_worktree_has_its_own_head(make_repo: MakeRepo, tmp_path: Path) -> None:
    top = make_repo({"a": "1\n"})
    linked = tmp_path / "linked"
    git(top, "worktree", "add", "-q", "-b", "side", str(linked))
    (linked / "a").write_text("2\n")
    git(linked, "commit", "-q", "-a", "-m", "on the side")
    (linked / "new").write_text("new\n")
    store = store_of(top, tmp_path)
    assert resolve_base(store, (), linked, "HEAD") == git(linked, "rev-parse", "HEAD")
    assert resolve_base(store, (), top, "HEAD") == git(top, "rev-parse", "HEAD")
    dirty = resolve_base(store, (), linked, "dirty")
    assert files_of(top, dirty) == {"a": "2", "new": "new"}
    assert git(top, "rev-parse", f"{dirty}^") == git(linked, "rev-parse", "HEAD")
    assert resolve_base(store, (), top, "dirty") == git(top, "rev-parse", "HEAD")


def test_dirty_takes_everything_and_changes_nothing(make_repo: MakeRepo, tmp_path: Path) -> None:
    top = make_repo(
        {".gitignore": "*.log\n", "a": "1\n", "gone": "x\n", "staged": "1\n", "run.sh": "#!/bin/sh\n"}
    )
    (top / ".git" / "info").mkdir(exist_ok=True)
    (top / ".git" / "info" / "exclude").write_text("private\n")
    (top / "a").write_text("2\n")
    (top / "gone").unlink()
    (top / "staged").write_text("2\n")
    git(top, "add", "staged")
    (top / "staged").write_text("3\n")
    (top / "run.sh").chmod(0o755)
    (top / "deep").mkdir()
    (top / "deep" / "new").write_text("new\n")
    (top / "link").symlink_to("a")
    (top / "intended").write_text("intended\n")
    git(top, "add", "--intent-to-add", "intended")
    (top / "x.log").write_text("ignored\n")
    (top / "private").write_text("ignored too\n")
    before, index_time = state_of(top), (top / ".git" / "index").stat().st_mtime_ns

    commit = resolve_base(store_of(top, tmp_path), (), top / "deep", "dirty")

    assert state_of(top) == before
    assert (top / ".git" / "index").stat().st_mtime_ns == index_time
    assert files_of(top, commit) == {
        ".gitignore": "*.log",
        "a": "2",
        "deep/new": "new",
        "intended": "intended",
        "link": "a",
        "run.sh": "#!/bin/sh",
        "staged": "3",
    }
    assert git(top, "ls-tree", commit, "run.sh").startswith("100755")
    assert git(top, "ls-tree", commit, "link").startswith("120000")
    assert git(top, "rev-parse", f"{commit}^") == git(top, "rev-parse", "HEAD")


def test_a_clean_checkout_is_its_head(make_repo: MakeRepo, tmp_path: Path) -> None:
    top = make_repo({"a": "1\n", "b": "1\n"})
    os.utime(top / "a", (1, 1))
    (top / "b").write_text("1\n")
    assert resolve_base(store_of(top, tmp_path), (), top, "dirty") == git(top, "rev-parse", "HEAD")


def test_an_edit_in_the_same_tick_as_the_index_is_seen(make_repo: MakeRepo, tmp_path: Path) -> None:
    top = make_repo({"a": "1\n"})
    index = top / ".git" / "index"
    times = (top / "a").stat().st_mtime_ns
    (top / "a").write_text("2\n")
    os.utime(top / "a", ns=(times, times))
    os.utime(index, ns=(times, times))
    commit = resolve_base(store_of(top, tmp_path), (), top, "dirty")
    assert files_of(top, commit) == {"a": "2"}


def test_unmerged_files_are_named(make_repo: MakeRepo, tmp_path: Path) -> None:
    top = make_repo({"both": "1\n", "fine": "1\n"})
    git(top, "checkout", "-q", "-b", "side")
    (top / "both").write_text("side\n")
    git(top, "commit", "-q", "-a", "-m", "side")
    git(top, "checkout", "-q", "main")
    (top / "both").write_text("main\n")
    git(top, "commit", "-q", "-a", "-m", "main")
    assert subprocess.run(["git", "merge", "side"], cwd=top, capture_output=True, check=False).returncode == 1
    before = state_of(top)
    with pytest.raises(Conflict, match="both") as refused:
        resolve_base(store_of(top, tmp_path), (), top, "dirty")
    assert "fine" not in str(refused.value)
    assert state_of(top) == before


def test_dirty_of_a_sparse_checkout_deletes_nothing(make_repo: MakeRepo, tmp_path: Path) -> None:
    top = make_repo({"in/a": "1\n", "out/b": "1\n"})
    git(top, "sparse-checkout", "set", "in")
    assert not (top / "out").exists()
    (top / "in" / "a").write_text("2\n")
    (top / "in" / "new").write_text("new\n")
    before = state_of(top)
    commit = resolve_base(store_of(top, tmp_path), (), top, "dirty")
    assert files_of(top, commit) == {"in/a": "2", "in/new": "new", "out/b": "1"}
    assert state_of(top) == before


def test_dirty_uses_the_filters_of_the_user_but_no_hook_or_monitor(
    make_repo: MakeRepo, tmp_path: Path
) -> None:
    top = make_repo({".gitattributes": "*.up filter=case\n", "a": "1\n"})
    ran = tmp_path / "ran"
    spy = tmp_path / "spy"
    spy.write_text(f"#!/bin/sh\necho $0 >> {ran}\n")
    spy.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "pre-commit", "reference-transaction", "fsmonitor-watchman"):
        (hooks / name).symlink_to(spy)
    git(top, "config", "filter.case.clean", "tr a-z A-Z")
    git(top, "config", "core.hooksPath", str(hooks))
    git(top, "config", "core.fsmonitor", str(spy))
    (top / "loud.up").write_text("quiet\n")
    before = state_of(top)
    store = store_of(top, tmp_path)
    ran.unlink(missing_ok=True)
    commit = resolve_base(store, (), top, "dirty")
    assert not ran.exists()
    assert files_of(top, commit)["loud.up"] == "QUIET"
    assert state_of(top) == before


def test_a_repository_inside_is_left_out(make_repo: MakeRepo, tmp_path: Path) -> None:
    top = make_repo({"a": "1\n"})
    make_repo({"b": "1\n"}, name="repo/inside")
    make_repo(name="repo/unborn", commit=False)
    (top / "new").write_text("new\n")
    commit = resolve_base(store_of(top, tmp_path), (), top, "dirty")
    assert files_of(top, commit) == {"a": "1", "new": "new"}


def test_dirty_needs_a_work_tree(make_repo: MakeRepo, tmp_path: Path) -> None:
    top = make_repo({"a": "1\n"})
    bare = tmp_path / "bare.git"
    git(top, "clone", "-q", "--bare", str(top), str(bare))
    store = open_store(bare, tmp_path / "state")
    with pytest.raises(InvalidInput, match="no work tree"):
        resolve_base(store, (), bare, "dirty")
    assert resolve_base(store, (), bare, "main") == git(top, "rev-parse", "HEAD")


def test_another_repository_is_refused(make_repo: MakeRepo, tmp_path: Path) -> None:
    top, other = make_repo({"a": "1\n"}), make_repo({"b": "1\n"}, name="other")
    with pytest.raises(InvalidInput, match="another repository"):
        resolve_base(store_of(top, tmp_path), (), other, "dirty")


def test_a_pin_is_idempotent(make_repo: MakeRepo, tmp_path: Path) -> None:
    top = make_repo({"a": "1\n"})
    store = store_of(top, tmp_path)
    first = git(top, "rev-parse", "HEAD")
    git(top, "commit", "-q", "--allow-empty", "-m", "second")
    pin_base(store, "att_1", first)
    pin_base(store, "att_1", first)
    assert git(top, "rev-parse", "refs/codencer/bases/att_1") == first
    with pytest.raises(Conflict, match="already pins"):
        pin_base(store, "att_1", git(top, "rev-parse", "HEAD"))
    assert git(top, "rev-parse", "refs/codencer/bases/att_1") == first
