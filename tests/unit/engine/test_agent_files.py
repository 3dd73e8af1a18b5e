"""Files that the bridge reads and writes for an agent: whole, in part, and never outside of its workspace."""

import os
from pathlib import Path

import pytest

from codencer.engine import agent_files
from codencer.errors import Forbidden, InvalidInput, NotFound, TooLarge
from codencer.model.dialogue import FileRead, FileWrite


def write(workspace: Path, path: str, text: str = "x\n") -> None:
    agent_files.write(workspace, FileWrite(key="k", path=path, text=text))


def read(workspace: Path, path: str, first: int | None = None, lines: int | None = None) -> str:
    return agent_files.read(workspace, FileRead(key="k", path=path, first=first, lines=lines))


def test_a_file_is_written_whole_and_again(tmp_path: Path) -> None:
    write(tmp_path, "deep/er/a.txt", "a long text\n")
    (tmp_path / "deep" / "er" / "a.txt").chmod(0o755)
    for _ in range(2):
        write(tmp_path, f"{tmp_path}/deep/er/a.txt", "ünï\ud800\n")
    written = tmp_path / "deep" / "er" / "a.txt"
    assert written.read_text() == "ünï?\n"
    assert written.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("first", "lines", "text"),
    [
        (None, None, "1\n2\n3\n4"),
        (1, None, "1\n2\n3\n4"),
        (2, 2, "2\n3\n"),
        (4, 9, "4"),
        (9, 1, ""),
        (0, 1, "1\n"),
        (None, 0, ""),
    ],
)
def test_lines_are_counted_from_one(tmp_path: Path, first: int, lines: int, text: str) -> None:
    (tmp_path / "a.txt").write_text("1\n2\n3\n4")
    assert read(tmp_path, "a.txt", first, lines) == text


def test_too_much_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_files, "LARGEST_READ", 10)
    (tmp_path / "a.txt").write_text("0123456789\n" * 3)
    for first, lines in ((None, None), (1, 2)):
        with pytest.raises(TooLarge):
            read(tmp_path, "a.txt", first, lines)
    (tmp_path / "b.txt").write_text("0\n" * 90)
    assert read(tmp_path, "b.txt", 80, 2) == "0\n0\n"


def test_nothing_outside_is_reached(tmp_path: Path) -> None:
    workspace, outside = tmp_path / "workspace", tmp_path / "outside"
    for folder in (workspace / "sub", outside):
        folder.mkdir(parents=True)
    (outside / "a.txt").write_text("mine\n")
    (workspace / "away").symlink_to(outside)
    (workspace / "link.txt").symlink_to(outside / "a.txt")
    os.mkfifo(workspace / "pipe")
    refused: list[tuple[str, type[Exception]]] = [
        ("../outside/a.txt", Forbidden),
        (str(outside / "a.txt"), Forbidden),
        ("sub/../../outside/a.txt", Forbidden),
        (".", Forbidden),
        ("", Forbidden),
        (".git/config", Forbidden),
        ("sub/.git/config", Forbidden),
        ("away/a.txt", OSError),
        ("link.txt", OSError),
        ("sub", OSError),
        ("a\0b", ValueError),
    ]
    for path, error in refused:
        with pytest.raises(error):
            write(workspace, path)
        with pytest.raises((error, InvalidInput)):
            read(workspace, path)
    with pytest.raises((OSError, InvalidInput)):
        write(workspace, "pipe")
    with pytest.raises(InvalidInput, match="not a regular file"):
        read(workspace, "pipe")
    with pytest.raises(NotFound):
        read(workspace, "nowhere/a.txt")
    assert (outside / "a.txt").read_text() == "mine\n"
    assert [each.name for each in outside.iterdir()] == ["a.txt"]


def test_a_workspace_may_be_known_by_its_real_name(tmp_path: Path) -> None:
    (tmp_path / "real" / "workspace").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link" / "workspace", f"{tmp_path}/real/workspace/a.txt")
    assert read(tmp_path / "link" / "workspace", f"{tmp_path}/link/workspace/a.txt") == "x\n"


def test_a_workspace_that_became_a_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "workspace").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotADirectoryError):
        write(tmp_path / "workspace", "a.txt")
    assert list((tmp_path / "elsewhere").iterdir()) == []
