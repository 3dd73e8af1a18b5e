"""Evidence files: sealed whole, read-only and hashed, and never outside their folder."""

import hashlib
import os
import stat
import tracemalloc
from pathlib import Path

import pytest

from codencer.errors import InvalidInput, NotFound, StorageFailed
from codencer.ledger import ArtifactStore

FOLDER = "one/step_1/att_1"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def test_content_is_sealed(store: ArtifactStore) -> None:
    artifact = store.seal(FOLDER, "result.json", b'{"a":1}', "application/json", "att_1")
    path = store.path(artifact)
    assert path == store.root / FOLDER / "result.json"
    assert path.read_bytes() == b'{"a":1}'
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert artifact.sha256 == hashlib.sha256(b'{"a":1}').hexdigest()
    assert (artifact.size, artifact.attempt_id, artifact.path) == (7, "att_1", f"{FOLDER}/result.json")
    assert os.listdir(path.parent) == ["result.json"]


def test_a_file_is_moved_without_being_copied(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "stdout"
    source.write_bytes(b"output\n" * 1000)
    inode = source.stat().st_ino
    path = store.path(store.seal(FOLDER, "validations/0/stdout", source, "text/plain", "att_1"))
    assert not source.exists()
    assert (path.stat().st_ino, path.stat().st_size) == (inode, 7000)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_a_file_with_another_name_is_copied(store: ArtifactStore, tmp_path: Path) -> None:
    """Through its other name it could change after it was hashed."""
    source, other = tmp_path / "stdout", tmp_path / "kept-by-the-agent"
    source.write_bytes(b"before")
    os.link(source, other)
    artifact = store.seal(FOLDER, "stdout", source, "text/plain", "att_1")
    other.write_bytes(b"after, and longer")
    assert store.path(artifact).read_bytes() == b"before"
    assert not source.exists()


def test_sealing_again_after_a_crash_gives_the_same(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "stdout"
    source.write_bytes(b"output")
    first = store.seal(FOLDER, "stdout", source, "text/plain", "att_1")
    again = store.seal(FOLDER, "stdout", source, "text/plain", "att_1")
    assert (again.sha256, again.size, again.path) == (first.sha256, first.size, first.path)
    left = store.root / FOLDER / ".result.json.new"
    left.write_bytes(b"half")
    left.chmod(0o444)
    for content in (b"first", b"second"):
        artifact = store.seal(FOLDER, "result.json", content, "application/json", "att_1")
        assert store.path(artifact).read_bytes() == content
    assert sorted(os.listdir(store.root / FOLDER)) == ["result.json", "stdout"]


def test_large_files_do_not_pass_through_memory(store: ArtifactStore, tmp_path: Path) -> None:
    source, other = tmp_path / "stdout", tmp_path / "link"
    with source.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    os.link(source, other)
    tracemalloc.start()
    artifact = store.seal(FOLDER, "stdout", source, "text/plain", "att_1")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert artifact.size == 64 * 1024 * 1024
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", ".hidden"),
        *("a\0b", "a\nb", "\u202ea", "\udc80", "x" * 300),
    ],
)
def test_names_cannot_lead_elsewhere(store: ArtifactStore, name: str) -> None:
    with pytest.raises(InvalidInput):
        store.seal(FOLDER, name, b"x", "text/plain", "att_1")
    with pytest.raises(InvalidInput):
        store.seal(name, "x", b"x", "text/plain", "att_1")
    assert not store.root.exists()


def test_links_cannot_lead_elsewhere(store: ArtifactStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"12")
    artifact = store.seal(FOLDER, "log", b"12", "text/plain", "att_1")
    path = store.path(artifact)
    path.unlink()
    path.symlink_to(outside / "secret")
    with pytest.raises((InvalidInput, StorageFailed)):
        store.path(artifact)
    (store.root / "two").symlink_to(outside)
    with pytest.raises(InvalidInput):
        store.seal("two/s/a", "log", b"x", "text/plain", "att_1")
    with pytest.raises(InvalidInput):
        store.seal("two", "log", b"x", "text/plain", "att_1")
    assert os.listdir(outside) == ["secret"]


def test_only_regular_files_are_evidence(store: ArtifactStore, tmp_path: Path) -> None:
    secret, link, pipe = tmp_path / "secret", tmp_path / "link", tmp_path / "pipe"
    secret.write_bytes(b"x")
    link.symlink_to(secret)
    os.mkfifo(pipe)
    for source in (link, pipe, tmp_path):
        with pytest.raises(InvalidInput):
            store.seal(FOLDER, "log", source, "text/plain", "att_1")
    with pytest.raises(NotFound):
        store.seal(FOLDER, "log", tmp_path / "none", "text/plain", "att_1")
    assert secret.read_bytes() == b"x"


def test_what_is_gone_or_changed_is_not_served(store: ArtifactStore) -> None:
    artifact = store.seal(FOLDER, "log", b"12345", "text/plain", "att_1")
    path = store.path(artifact)
    path.chmod(0o600)
    path.write_bytes(b"123")
    with pytest.raises(StorageFailed, match=artifact.sha256):
        store.path(artifact)
    path.unlink()
    with pytest.raises(NotFound):
        store.path(artifact)
