"""An agent's git directory is read as data, whatever is in it."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.workspace.agent_refs import MAX_POINTERS, read_pointers

ONE, TWO, THREE = "1" * 40, "2" * 40, "3" * 40


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    for name in ("refs/heads/a", "logs/refs/heads"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "HEAD").write_text("ref: refs/heads/a/b\n")
    (tmp_path / "refs/heads/a/b").write_text(ONE + "\n")
    return tmp_path


def test_head_refs_and_reflogs(git_dir: Path) -> None:
    (git_dir / "packed-refs").write_text(f"# pack-refs with: peeled\n{TWO} refs/tags/v1\n^{'4' * 40}\n")
    log = f"{'0' * 40} {THREE} A <a@b> 1 +0000\tcommit\n{THREE} {ONE} A <a@b> 2 +0000\tamend {'5' * 40}\n"
    (git_dir / "logs/refs/heads/x").write_text(log)
    pointers = read_pointers(git_dir)
    assert pointers.head == ONE
    assert pointers.others == {ONE, TWO, THREE}
    assert pointers.all_read


def test_a_packed_head(git_dir: Path) -> None:
    (git_dir / "refs/heads/a/b").unlink()
    (git_dir / "packed-refs").write_text(f"{TWO} refs/heads/a/b\n")
    assert read_pointers(git_dir).head == TWO


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ref: refs/heads/../../../outside",
        "ref: /etc/passwd",
        "ref: refs/heads/.hidden",
        "ref: refs/heads/a/b.lock",
        "ref: HEAD",
        "ref: refs/heads/missing",
        "ref: refs/heads/nul\0",
        "12345",
        "1" * 41,
        "-" + "1" * 40,
        "--upload-pack=x",
    ],
)
def test_a_head_that_names_nothing(git_dir: Path, text: str) -> None:
    (git_dir / "HEAD").write_text(text)
    assert read_pointers(git_dir).head is None


def test_circles_end(git_dir: Path) -> None:
    (git_dir / "refs/heads/a/b").write_text("ref: refs/heads/a/b\n")
    assert read_pointers(git_dir).head is None


def test_links_and_pipes_are_not_opened(git_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "x").write_text(TWO)
    (git_dir / "refs/heads/link").symlink_to(outside / "x")
    (git_dir / "refs/linked").symlink_to(outside)
    os.mkfifo(git_dir / "refs/heads/pipe")
    os.mkfifo(git_dir / "ORIG_HEAD")
    assert read_pointers(git_dir).others == {ONE}


def test_too_much_is_cut_and_told(git_dir: Path) -> None:
    (git_dir / "packed-refs").write_text(
        "".join(f"{number:040x} refs/tags/{number}\n" for number in range(1, MAX_POINTERS + 10))
    )
    pointers = read_pointers(git_dir)
    assert len(pointers.others) == MAX_POINTERS
    assert not pointers.all_read


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=st.binary(max_size=80), packed=st.binary(max_size=200), ref=st.binary(max_size=80))
def test_any_content_is_read_without_harm(git_dir: Path, head: bytes, packed: bytes, ref: bytes) -> None:
    (git_dir / "HEAD").write_bytes(head)
    (git_dir / "packed-refs").write_bytes(packed)
    (git_dir / "refs/heads/a/b").write_bytes(ref)
    assert read_pointers(git_dir).all_read
