"""Finding repositories, folders, instances and daemons on real layouts made by git."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codencer import locate
from codencer.errors import Forbidden, InvalidInput, NotFound, StorageFailed, TooLarge
from codencer.locate import Descriptor, Repository
from codencer.locate.files import read_regular, write_atomically

MakeRepo = Callable[..., Path]
Git = Callable[..., str]


def asked_of_git(git: Git, folder: Path) -> Repository:
    return Repository(
        top=Path(git(folder, "rev-parse", "--show-toplevel")),
        git_dir=Path(git(folder, "rev-parse", "--absolute-git-dir")),
        common_dir=Path(os.path.realpath(folder / git(folder, "rev-parse", "--git-common-dir"))),
    )


def test_from_any_folder_of_a_checkout(make_repo: MakeRepo, git: Git) -> None:
    top = make_repo({"a/b/c.py": "x"})
    for folder in (top, top / "a", top / "a" / "b"):
        assert locate.find_repository(folder) == asked_of_git(git, folder)


def test_before_the_first_commit(make_repo: MakeRepo) -> None:
    top = make_repo(commit=False)
    assert locate.find_repository(top).common_dir == top / ".git"


def test_through_a_symlink(make_repo: MakeRepo, tmp_path: Path) -> None:
    top = make_repo()
    (tmp_path / "alias").symlink_to(top)
    assert locate.find_repository(tmp_path / "alias").top == top


def test_a_linked_worktree_shares_the_common_dir(make_repo: MakeRepo, git: Git, tmp_path: Path) -> None:
    top = make_repo()
    git(top, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    found = locate.find_repository(tmp_path / "linked")
    assert found == asked_of_git(git, tmp_path / "linked")
    assert found.common_dir == locate.find_repository(top).common_dir
    assert found.git_dir != found.common_dir


def test_a_worktree_of_a_bare_repository_is_a_checkout(make_repo: MakeRepo, git: Git, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(make_repo()), "bare")
    git(tmp_path / "bare", "worktree", "add", "--quiet", str(tmp_path / "linked"), "main")
    found = locate.find_repository(tmp_path / "linked")
    assert (found.top, found.common_dir) == (tmp_path / "linked", tmp_path / "bare")


def test_a_submodule_is_a_repository_of_its_own(make_repo: MakeRepo, git: Git) -> None:
    inner, top = make_repo(name="inner"), make_repo(name="outer")
    git(top, "submodule", "--quiet", "add", str(inner), "sub")
    found = locate.find_repository(top / "sub")
    assert found == asked_of_git(git, top / "sub")
    assert found.common_dir == top / ".git" / "modules" / "sub"


def test_a_separate_git_dir(git: Git, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--separate-git-dir", str(tmp_path / "store"), "top")
    found = locate.find_repository(tmp_path / "top")
    assert (found.top, found.common_dir) == (tmp_path / "top", tmp_path / "store")


def test_git_dir_of_the_environment_is_not_honoured(
    make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = make_repo()
    monkeypatch.setenv("GIT_DIR", str(make_repo(name="other") / ".git"))
    assert locate.find_repository(top).top == top


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="git init"):
        locate.find_repository(tmp_path)
    with pytest.raises(NotFound, match="No such file"):
        locate.find_repository(tmp_path / "missing")
    (tmp_path / ".git").mkdir()
    with pytest.raises(NotFound, match="not in a git repository"):
        locate.find_repository(tmp_path)


def test_bare_repositories_are_refused(make_repo: MakeRepo, git: Git, tmp_path: Path) -> None:
    top = make_repo()
    git(tmp_path, "clone", "--quiet", "--bare", str(top), "bare")
    for folder in (tmp_path / "bare", tmp_path / "bare" / "objects"):
        with pytest.raises(InvalidInput, match="bare repository"):
            locate.find_repository(folder)
    git(top, "config", "core.bare", "true")
    with pytest.raises(InvalidInput, match=r"core\.bare is true"):
        locate.find_repository(top)


def test_inside_a_git_directory(make_repo: MakeRepo, git: Git, tmp_path: Path) -> None:
    top = make_repo()
    git(top, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    for folder in (".git", ".git/refs", ".git/worktrees/linked"):
        with pytest.raises(InvalidInput, match="inside a git directory"):
            locate.find_repository(top / folder)


@pytest.mark.parametrize(
    ("content", "problem"),
    [("gitdir: /nowhere/at/all\n", "git worktree repair"), ("", "neither"), ("hello\n", "neither")],
)
def test_a_broken_git_file(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / ".git").write_text(content)
    with pytest.raises(InvalidInput, match=problem):
        locate.find_repository(tmp_path)


def test_a_fifo_named_git_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".git")
    with pytest.raises(InvalidInput, match="not a regular file"):
        locate.find_repository(tmp_path)


def test_folders_follow_the_xdg_variables() -> None:
    environ = {"HOME": "/h", "XDG_STATE_HOME": "/s", "XDG_CONFIG_HOME": "/c"}
    assert locate.user_state_dir(environ) == Path("/s/codencer")
    assert locate.user_config_dir(environ) == Path("/c/codencer")
    for relative in ("", "relative", "./x"):
        environ = {"HOME": "/h", "XDG_STATE_HOME": relative, "XDG_CONFIG_HOME": relative}
        assert locate.user_state_dir(environ) == Path("/h/.local/state/codencer")
        assert locate.user_config_dir(environ) == Path("/h/.config/codencer")


def test_the_runtime_dir_is_private(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    folder = locate.make_runtime_dir(environ)
    assert folder == tmp_path / "codencer"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert locate.make_runtime_dir(environ) == folder
    folder.chmod(0o750)
    with pytest.raises(Forbidden, match="0700"):
        locate.make_runtime_dir(environ)
    folder.rmdir()
    (tmp_path / "mine").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "mine")
    with pytest.raises(Forbidden, match="only you can use"):
        locate.make_runtime_dir(environ)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_folders_of_other_users_are_not_used(tmp_path: Path) -> None:
    runtime, temporary = tmp_path / "run", tmp_path / "tmp"
    runtime.mkdir()
    temporary.mkdir()
    os.chown(runtime, 12345, 12345)
    environ = {"XDG_RUNTIME_DIR": str(runtime), "TMPDIR": str(temporary)}
    planted = temporary / f"codencer-{os.geteuid()}"
    assert locate.runtime_dir(environ) == planted
    planted.mkdir(mode=0o700)
    os.chown(planted, 12345, 12345)
    with pytest.raises(Forbidden):
        locate.make_runtime_dir(environ)


def test_without_a_runtime_dir_the_temporary_one_serves(tmp_path: Path) -> None:
    expected = tmp_path / f"codencer-{os.geteuid()}"
    for given in ("", "relative", str(tmp_path / "missing")):
        assert locate.runtime_dir({"XDG_RUNTIME_DIR": given, "TMPDIR": str(tmp_path)}) == expected


def test_socket_paths_stay_short(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    identifier = "inst_" + "0" * 14 + "abcdefghjkmn"
    here = locate.socket_path(identifier, {"XDG_RUNTIME_DIR": os.environ["XDG_RUNTIME_DIR"]})
    assert here.name == "abcdefghjkmn.sock"
    assert here.parent.is_dir()
    far = locate.socket_path(identifier, {"XDG_RUNTIME_DIR": str(deep), "TMPDIR": str(deep)})
    assert len(os.fsencode(far)) < 100
    assert far.parent == Path(f"/tmp/codencer-{os.geteuid()}")
    with contextlib.suppress(OSError):  # somebody's daemon may be using it
        far.parent.rmdir()


def test_an_instance_is_claimed_once(repository: Repository) -> None:
    common = repository.common_dir
    assert locate.read_instance(common) is None
    assert not locate.state_dir(common).exists()
    claimed: list[locate.Instance] = []
    start = threading.Barrier(8)

    def claim() -> None:
        start.wait(10)
        claimed.append(locate.claim_instance(common))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(claimed) == 8
    assert len(set(claimed)) == 1
    assert locate.read_instance(common) == claimed[0]
    assert locate.state_dir(common).stat().st_mode & 0o777 == 0o700


def test_a_moved_clone_keeps_its_id(repository: Repository, tmp_path: Path) -> None:
    before = locate.claim_instance(repository.common_dir)
    moved = tmp_path / "moved"
    repository.top.rename(moved)
    assert locate.read_instance(moved / ".git") is None
    after = locate.claim_instance(moved / ".git")
    assert after == replace(before, common_dir=moved / ".git")
    assert locate.read_instance(moved / ".git") == after


def test_a_copied_clone_gets_an_id_of_its_own(repository: Repository, tmp_path: Path) -> None:
    before = locate.claim_instance(repository.common_dir)
    shutil.copytree(repository.top, tmp_path / "copy", symlinks=True)
    copy = locate.claim_instance(tmp_path / "copy" / ".git")
    assert copy.id != before.id
    assert locate.claim_instance(repository.common_dir) == before
    assert locate.claim_instance(tmp_path / "copy" / ".git") == copy


def test_another_clone_where_the_first_one_was_does_not_take_its_id(
    repository: Repository, make_repo: MakeRepo, tmp_path: Path
) -> None:
    before = locate.claim_instance(repository.common_dir)
    repository.top.rename(tmp_path / "moved")
    newcomer = locate.claim_instance(make_repo() / ".git")
    assert newcomer.id != before.id
    assert locate.claim_instance(tmp_path / "moved" / ".git").id == before.id


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"id": 1, "common_dir": "/"}', '{"id": "x"}', "\xff"])
def test_a_damaged_instance_file_says_what_to_do(repository: Repository, content: str) -> None:
    folder = locate.make_state_dir(repository.common_dir)
    (folder / "instance.json").write_text(content, "latin-1")
    with pytest.raises(StorageFailed, match="remove it"):
        locate.claim_instance(repository.common_dir)


def descriptor(repository: Repository, pid: int = 7) -> Descriptor:
    return Descriptor(
        instance_id="inst_abc",
        common_dir=str(repository.common_dir),
        pid=pid,
        socket="/run/x.sock",
        api_version=1,
        port=8085,
    )


def test_a_daemon_publishes_and_withdraws_itself(repository: Repository) -> None:
    common, mine = repository.common_dir, descriptor(repository)
    assert locate.read_descriptor(common) is None
    assert locate.registered() == []
    locate.write_descriptor(mine)
    locate.register(mine)
    assert locate.read_descriptor(common) == mine
    assert locate.registered() == [mine]
    assert locate.descriptor_path(common).stat().st_mode & 0o777 == 0o600
    locate.remove_descriptor(common, pid=8)
    locate.unregister(mine.instance_id, pid=8)
    assert locate.read_descriptor(common) == mine
    assert locate.registered() == [mine]
    locate.remove_descriptor(common, pid=7)
    locate.unregister(mine.instance_id, pid=7)
    locate.unregister(mine.instance_id, pid=7)
    assert locate.read_descriptor(common) is None
    assert locate.registered() == []


def test_a_copied_clone_does_not_find_the_originals_daemon(repository: Repository, tmp_path: Path) -> None:
    locate.write_descriptor(descriptor(repository))
    shutil.copytree(repository.common_dir, tmp_path / "copy")
    assert locate.read_descriptor(tmp_path / "copy") is None


def test_descriptors_of_other_versions_are_read_and_damaged_ones_are_not(repository: Repository) -> None:
    mine = descriptor(repository)
    locate.write_descriptor(mine)
    path = locate.descriptor_path(repository.common_dir)
    newer = {**json.loads(path.read_text()), "api_version": 2, "shiny": {"new": 1}}
    path.write_text(json.dumps(newer))
    assert locate.read_descriptor(repository.common_dir) == replace(mine, api_version=2)
    for damaged in ("", "[]", "{", json.dumps({**newer, "pid": "7"}), '{"pid": 7}'):
        path.write_text(damaged)
        assert locate.read_descriptor(repository.common_dir) is None


def test_reading_is_bounded_and_takes_files_only(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert read_regular(path) is None
    assert read_regular(path / "y") is None
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    assert read_regular(path / "y") is None
    with pytest.raises(TooLarge):
        read_regular(path, 4)
    with pytest.raises(InvalidInput, match="not a regular file"):
        read_regular(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_atomically(path, b"old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageFailed, match="nothing was changed"):
        write_atomically(tmp_path / "folder", b"new")
    with pytest.raises(StorageFailed):
        write_atomically(tmp_path / "missing" / "x", b"new")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "x"]
    assert path.read_bytes() == b"old"


def test_importing_it_brings_in_nothing_heavy() -> None:
    code = "import sys, codencer.locate; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    heavy = {"pydantic", "yaml", "subprocess", "tempfile", "secrets", "random", "asyncio", "logging", "click"}
    assert not heavy & set(done.stdout.split())
