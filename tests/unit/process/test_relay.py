"""The relay's parts that need no agent: how it takes commands apart, and whom it listens to."""

import os
import socket
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codencer import relay
from codencer.process import conversation, frames, link

COMMANDS = st.lists(st.tuples(st.binary(max_size=50), st.from_regex(rb"\A[!-~]{1,9}\Z")), max_size=5)


def test_both_sides_use_the_same_words() -> None:
    assert relay.PROTOCOL in link.UNDERSTOOD
    assert relay.LONGEST_FRAME == conversation.LONGEST_FRAME
    source = Path(relay.__file__).read_text()
    assert all(f'b"{direction}"' in source for direction in frames.Direction)


def test_it_imports_only_what_starts_quickly() -> None:
    head = Path(relay.__file__).read_text().partition("PROTOCOL")[0]
    imported = {line.split()[1] for line in head.splitlines() if line.startswith("import ")}
    assert imported == {"_socket", "ctypes", "errno", "os", "select", "sys", "time"}
    assert "codencer." not in head


@settings(max_examples=60, deadline=None)
@given(commands=COMMANDS, cuts=st.lists(st.integers(0, 300), max_size=6), lost=st.integers(0, 40))
def test_commands_are_taken_whole_however_they_arrive(
    commands: list[tuple[bytes, bytes]], cuts: list[int], lost: int
) -> None:
    sent = [b"send %d %s\n%s" % (len(data), key, data) for data, key in commands]
    stream = b"".join(sent)[: -lost or None]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        bridge = relay.Bridge(theirs.fileno())
        assert bridge.receive()
        found = []
        edges = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
        for begin, end in pairwise(edges):
            ours.sendall(stream[begin:end])
            assert bridge.receive()
            found += bridge.commands()
        ours.close()
        assert not bridge.receive()
    whole = [number for number in range(1, len(sent) + 1) if len(b"".join(sent[:number])) <= len(stream)]
    assert found == [(b"send", key, data) for data, key in commands[: len(whole)]]


@pytest.mark.parametrize("mine", [True, False])
def test_it_listens_to_its_own_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mine: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    listener = relay.listen()
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(relay.SOCKET)
        if not mine:
            monkeypatch.setattr(os, "geteuid", lambda: 12345)
        handle = relay.accept(listener)
        assert (handle is not None) == mine
        if handle is not None:
            os.close(handle)
        assert line.recv(1) == b""
    assert relay.accept(listener) is None
    listener.close()


def test_an_answer_that_does_not_arrive_whole_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        bridge = relay.Bridge(theirs.fileno())
        assert bridge.answer(b"done\n")
        assert not bridge.answer(bytes(10_000_000))
        assert not bridge.answer(b"done\n")
        ours.close()
        assert not bridge.answer(b"done\n")
