"""How much an agent has changed so far, without a trace in its workspace or in the bridge's index."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.workspace.glance import count_changes


@pytest.fixture
def count(desk: Any) -> Callable[[], int]:
    return lambda: count_changes(desk.store, desk.settings, workspace=desk.workspace, index=desk.index)


def test_files_are_counted_as_the_snapshot_will_have_them(desk: Any, count: Callable[[], int]) -> None:
    workspace: Path = desk.attempt()
    assert count() == 0
    (workspace / "README.md").write_text("Another program.\n")
    (workspace / "src/main.py").unlink()
    (workspace / "ignored.log").write_text("no work\n")
    (workspace / "new").mkdir()
    (workspace / "new" / "one.txt").write_text("1")
    (workspace / "new" / "two.txt").write_text("2")
    assert count() == 4
    desk.git("add", "--all")
    desk.git("commit", "--quiet", "-m", "committed work is work")
    assert count() == 4
    (workspace / ".gitignore").write_text("new/\n*.txt\n")
    assert count() == 5, "a .gitignore that the agent wrote hides nothing, and is a change itself"


def test_nothing_is_written(desk: Any, count: Callable[[], int]) -> None:
    workspace: Path = desk.attempt()
    (workspace / "new.txt").write_text("new")

    def state() -> dict[str, tuple[int, int]]:
        found = {}
        for top in (workspace, desk.index.parent):
            for path in top.rglob("*"):
                stat = path.lstat()
                found[str(path)] = (stat.st_mtime_ns, stat.st_size)
        return found

    before = state()
    count()
    assert state() == before


def test_a_repository_made_by_the_agent_counts_as_one(desk: Any, count: Callable[[], int]) -> None:
    workspace: Path = desk.attempt()
    desk.git("init", "--quiet", "inner")
    (workspace / "inner" / "a.txt").write_text("a")
    (workspace / "inner" / "b.txt").write_text("b")
    assert count() == 1


def test_without_its_index_it_is_unknown(desk: Any, count: Callable[[], int]) -> None:
    desk.attempt()
    desk.index.unlink()
    with pytest.raises(OSError, match="index"):
        count()
