"""Launch folders as somebody else left them: half written, odd, or not at all."""

import fcntl
import json
from pathlib import Path

import pytest

from codencer.errors import IncompatibleVersion, StorageFailed
from codencer.model.launch import ExitReason, ExitRecord, LaunchStatus, ProcessNote
from codencer.process import folder as folders
from codencer.process.procfs import boot_id


def test_no_folder_at_all(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert folders.status(nowhere) is LaunchStatus.UNCLAIMED
    assert folders.read_exit(nowhere) is None
    assert folders.entomb(nowhere)
    assert folders.status(nowhere) is LaunchStatus.ENDED


def test_tombstone_is_a_record_of_nothing_started(tmp_path: Path) -> None:
    assert folders.entomb(tmp_path)
    record = folders.read_exit(tmp_path)
    assert record is not None
    assert record.reason is ExitReason.NOT_STARTED
    assert [path.name for path in tmp_path.iterdir()] == ["claim"]


def test_tombstone_without_room(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="may still start"):
        folders.entomb(tmp_path / "file" / "below")


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"[]\n", b'{"pid": "7"}\n', b'{"pid": 7', b"\xff\xfe"])
def test_a_claim_that_cannot_be_read_is_still_a_claim(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "claim").write_bytes(content)
    claim = folders.read_claim(tmp_path)
    assert claim is not None
    assert claim.pid == 0
    assert folders.status(tmp_path) is LaunchStatus.LOST
    assert not folders.entomb(tmp_path)


def test_locked_and_of_this_boot_is_alive(tmp_path: Path) -> None:
    claim = tmp_path / "claim"
    claim.write_text(json.dumps({"pid": 1, "boot_id": boot_id()}))
    assert folders.status(tmp_path) is LaunchStatus.LOST
    with claim.open("rb") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        assert folders.status(tmp_path) is LaunchStatus.ALIVE
        (tmp_path / "exit.json").write_text('{"protocol": 1, "reason": "exited"}')
        assert folders.status(tmp_path) is LaunchStatus.ALIVE
    assert folders.status(tmp_path) is LaunchStatus.ENDED


def test_record_becomes_the_models(tmp_path: Path) -> None:
    (tmp_path / "exit.json").write_text(
        '{"protocol": 1, "reason": "timeout", "signal": 9, "killed": [{"pid": 3, "name": "x"}], "agent": 5}'
    )
    assert folders.read_exit(tmp_path) == ExitRecord(
        reason=ExitReason.TIMEOUT, signal=9, killed=(ProcessNote(pid=3, name="x"),)
    )


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"protocol": 1}', '{"protocol": 1, "reason": "odd"}', '{"protocol":1,"reason":7}'],
)
def test_a_record_no_supervisor_wrote_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "claim").write_text("{}")
    (tmp_path / "exit.json").write_text(content)
    assert folders.read_exit(tmp_path) is None
    assert folders.status(tmp_path) is LaunchStatus.LOST


def test_a_record_of_the_future_is_refused(tmp_path: Path) -> None:
    (tmp_path / "exit.json").write_text('{"protocol": 2, "reason": "exited"}')
    with pytest.raises(IncompatibleVersion):
        folders.read_exit(tmp_path)
