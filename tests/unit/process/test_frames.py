"""The log of a conversation: what the relay writes is what is read, however much of it is there."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codencer import relay
from codencer.errors import StorageFailed
from codencer.process.frames import Direction, Frame, read_failure, read_frames, read_sent

ENTRIES = st.lists(
    st.tuples(st.sampled_from(Direction), st.binary(max_size=40), st.from_regex(r"\A[!-~]{1,9}\Z")),
    max_size=6,
)


def write(path: Path, entries: list[tuple[Direction, bytes, str]]) -> list[int]:
    """Log these as the relay does; returns where each frame ends."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    ends = []
    try:
        for direction, data, key in entries:
            relay.Log(handle).add(direction.encode(), data, key.encode())
            ends.append(os.fstat(handle).st_size)
    finally:
        os.close(handle)
    return ends


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("launch") / "conversation"


@settings(max_examples=60, deadline=None)
@given(entries=ENTRIES, cut=st.integers(0, 400))
def test_what_is_complete_is_read_and_nothing_else(
    log: Path, entries: list[tuple[Direction, bytes, str]], cut: int
) -> None:
    ends = write(log, entries)
    os.truncate(log, min(cut, log.stat().st_size))
    there = [end for end in ends if end <= cut]
    frames = read_frames(log, 0, at_most=1 << 30)
    assert [(frame.direction, frame.data) for frame in frames] == [each[:2] for each in entries[: len(there)]]
    assert [frame.position for frame in frames] == there
    assert [frame.key for frame in frames] == [
        "" if key == "-" else key for _, _, key in entries[: len(there)]
    ]
    step_by_step: list[Frame] = []
    while found := read_frames(log, step_by_step[-1].position if step_by_step else 0, at_most=0):
        assert len(found) == 1
        step_by_step += found
    assert step_by_step == frames


def test_what_was_sent_is_known_by_its_key(tmp_path: Path) -> None:
    log = tmp_path / "conversation"
    write(
        log,
        [
            (Direction.RELAY, b"started 7", "-"),
            (Direction.TO_AGENT, b"one", "a"),
            (Direction.FROM_AGENT, b"bridge 1 2 fake\nxy\n", "-"),
            (Direction.TO_AGENT, b"", "b"),
        ],
    )
    assert read_sent(log) == {"a": hashlib.sha256(b"one").digest(), "b": hashlib.sha256(b"").digest()}
    assert read_failure(log) == ""


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense\n",
        b"agent 1 x -\nx\n",
        b"agent 1 1\nx\n",
        b"other 1 1 -\nx\n",
        b"\xff 1 1 -\nx\n",
        b"x" * 600,
    ],
)
def test_a_damaged_log_is_said_to_be_one(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / "conversation"
    write(log, [(Direction.FROM_AGENT, b"fine", "-")])
    good = log.stat().st_size
    with log.open("ab") as target:
        target.write(content)
    with pytest.raises(StorageFailed, match=f"damaged: no frame begins at byte {good}"):
        read_frames(log, 0)
    with pytest.raises(StorageFailed, match="damaged"):
        read_sent(log)
    assert read_failure(log) == ""


def test_no_log_at_all(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="cannot be read"):
        read_frames(tmp_path / "conversation", 0)
    assert read_failure(tmp_path / "conversation") == ""
