"""Watching a whole tree: what happens in it is told, whatever became of its folders."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from codencer.errors import StorageFailed
from codencer.process import inotify, tree_watch
from codencer.process.tree_watch import Touched, TreeWatch, watched

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not inotify.available(), reason="only Linux has inotify"),
]


def nothing(_folder: bytes) -> bool:
    return False


def everything(_path: bytes) -> bool:
    return True


@pytest.fixture
async def tree(tmp_path: Path) -> AsyncIterator[TreeWatch]:
    """A watch over `tmp_path/top`, which has a file in `src/deep` and an ignored folder."""
    for folder in ("src/deep", "ignored/deep"):
        (tmp_path / "top" / folder).mkdir(parents=True)
    (tmp_path / "top" / "src" / "deep" / "a.txt").write_text("a")
    with watched(os.fsencode(tmp_path / "top"), lambda path: not path.endswith(b".no")) as made:
        await asyncio.to_thread(made.add, b"", lambda folder: folder == b"ignored")
        yield made
    assert inotify._watchers == {}


async def told(tree: TreeWatch, *wanted: bytes) -> Touched:
    """Wait until all of these were told, and return everything that was."""
    found = Touched()
    async with asyncio.timeout(10):
        while not set(wanted) <= found.paths | found.folders:
            now = await tree.changes()
            found.paths |= now.paths
            found.folders |= now.folders
            found.everything |= now.everything
    return found


async def test_writing_creating_renaming_and_deleting_are_told(tmp_path: Path, tree: TreeWatch) -> None:
    top = tmp_path / "top"
    for change in (
        lambda: (top / "src/deep/a.txt").write_text("b"),
        lambda: (top / "new.txt").write_text("b"),
        lambda: (top / "src/deep/a.txt").chmod(0o755),
        lambda: (top / "ignored/deep/x.txt").write_text("b"),
        lambda: (top / "src/x.no").write_text("b"),
        lambda: (top / "new.txt").rename(top / "src/other.txt"),
        (top / "src/deep/a.txt").unlink,
    ):
        await asyncio.to_thread(change)
    found = await told(tree, b"src/deep/a.txt", b"new.txt", b"src/other.txt")
    assert found == Touched(paths={b"src/deep/a.txt", b"new.txt", b"src/other.txt"})


async def test_a_new_folder_is_told_and_watched_when_it_is_wanted(tmp_path: Path, tree: TreeWatch) -> None:
    top = tmp_path / "top"
    await asyncio.to_thread(os.makedirs, top / "fresh" / "inner")
    assert (await told(tree, b"fresh")).folders == {b"fresh"}
    await asyncio.to_thread(tree.add, b"fresh", nothing)
    await asyncio.to_thread((top / "fresh" / "inner" / "b.txt").write_text, "b")
    await told(tree, b"fresh/inner/b.txt")


async def test_a_folder_that_moves_is_known_by_its_new_place(tmp_path: Path, tree: TreeWatch) -> None:
    top = tmp_path / "top"
    await asyncio.to_thread((top / "src").rename, top / "lib")
    found = await told(tree, b"src", b"lib")
    assert (found.paths, found.folders) == ({b"src"}, {b"lib"})
    await asyncio.to_thread(tree.add, b"lib", nothing)
    await asyncio.to_thread((top / "lib" / "deep" / "a.txt").write_text, "b")
    assert (await told(tree, b"lib/deep/a.txt")).paths == {b"lib/deep/a.txt"}
    await asyncio.to_thread(shutil.rmtree, top / "lib")
    await told(tree, b"lib")


async def test_links_are_not_followed(tmp_path: Path, tree: TreeWatch) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    await asyncio.to_thread((tmp_path / "top" / "link").symlink_to, outside)
    await told(tree, b"link")
    await asyncio.to_thread(tree.add, b"link", nothing)
    await asyncio.to_thread((outside / "x.txt").write_text, "x")
    await asyncio.to_thread((tmp_path / "top" / "last.txt").write_text, "x")
    assert (await told(tree, b"last.txt")).paths == {b"last.txt"}
    assert tree.shortfall == ""


async def test_names_that_are_no_text(tmp_path: Path, tree: TreeWatch) -> None:
    odd = b"odd\xff\nname"
    await asyncio.to_thread(os.mkdir, os.path.join(os.fsencode(tmp_path), b"top", odd))
    assert (await told(tree, odd)).folders == {odd}


async def test_the_number_of_folders_is_bounded_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_watch, "MOST_FOLDERS", 3)
    for number in range(5):
        (tmp_path / str(number)).mkdir()
    with watched(os.fsencode(tmp_path), everything) as tree:
        await asyncio.to_thread(tree.add, b"", nothing)
        assert tree.shortfall == "there are more than 3 folders to watch"


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
async def test_many_changes_at_once_mean_that_anything_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(tree_watch, "MOST_TOUCHED", 10)
    with watched(os.fsencode(tmp_path), everything) as tree:
        await asyncio.to_thread(tree.add, b"", nothing)
        for number in range(40):
            make(tmp_path / str(number))
        async with asyncio.timeout(10):
            found = await tree.changes()
            assert found.everything
            assert len(found.paths) <= 10
            assert len(found.folders) <= 10
        # The kernel says the same when it lost count.
        tree._heard(-1, inotify.OVERFLOW, b"")
        assert (await tree.changes()).everything


async def test_what_is_added_once_more_is_watched_with_all_that_is_new(tmp_path: Path) -> None:
    with watched(os.fsencode(tmp_path), everything) as tree:
        await asyncio.to_thread(tree.add, b"", nothing)
        (tmp_path / "7").mkdir()
        await asyncio.to_thread(tree.add, b"", nothing)
        (tmp_path / "7" / "deep.txt").touch()
        await told(tree, b"7/deep.txt")


async def test_a_new_folder_that_is_gone_again_is_forgotten(tmp_path: Path, tree: TreeWatch) -> None:
    fresh = tmp_path / "top" / "fresh"
    for _ in range(3):
        fresh.mkdir()
        fresh.rmdir()
    (tmp_path / "top" / "last.txt").touch()
    found = await told(tree, b"last.txt")
    assert (found.paths, found.folders) == ({b"fresh", b"last.txt"}, set())


async def test_where_there_is_no_inotify_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inotify, "_LIBC", object())
    with pytest.raises(StorageFailed, match="no inotify"), watched(os.fsencode(tmp_path), everything):
        pass
