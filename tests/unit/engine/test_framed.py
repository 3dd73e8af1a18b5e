"""What an agent said in a framed log is heard wherever the log is cut, and nothing else is."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.adapters import load
from codencer.engine.framed import LONGEST_HEAD, Framed, from_first_frame
from codencer.engine.log_forms import LogForm, Told
from codencer.model.ports import Parser
from codencer.model.step import AdapterSettings

# A busy machine is not a failure.
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def plain() -> Parser:
    return load("fixer", AdapterSettings(name="fixer", command=("fix",))).parser()


def frame(who: str, data: bytes) -> bytes:
    return f"{who} 123456 {len(data)} -\n".encode() + data + b"\n"


LOG = (
    frame("relay", b"started 17")
    + frame("bridge", b'{"say": "begin"}\n')
    + frame("agent", b"one\ntw")
    + frame("agent", b"")
    + frame("bridge", b"an answer\n")
    + frame("agent", b"o\nagent 1 2 -\nopen")
)


def heard(*pieces: bytes) -> bytes:
    teller = Told(Framed(plain()), LogForm.TEXT)
    return b"".join([*(teller.feed(piece) for piece in pieces), teller.end()])


@steady
@given(st.lists(st.integers(0, len(LOG)), max_size=8))
def test_only_the_agent_is_heard_wherever_it_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(LOG)]
    assert heard(*(LOG[start:end] for start, end in pairwise(edges))) == b"one\ntwo\nagent 1 2 -\nopen\n"


@pytest.mark.parametrize(
    "damage",
    [b"agent x 3 -\nabc\n", b"somebody 1 3 -\nabc\n", b"x" * (LONGEST_HEAD + 1), b"agent 1 3\nabc\n"],
)
def test_where_no_frame_begins_the_listening_ends(damage: bytes) -> None:
    assert heard(LOG, damage, frame("agent", b"more\n")) == b"one\ntwo\nagent 1 2 -\n"


def test_the_end_of_a_log_begins_with_a_frame() -> None:
    assert from_first_frame(LOG[5:]).startswith(b"bridge 123456 17 -\n")
    assert from_first_frame(b"no frame in it\n") == b""
    assert heard(from_first_frame(LOG[5:])) == b"one\ntwo\nagent 1 2 -\nopen\n"


def test_what_is_told_can_begin_later_than_what_is_understood() -> None:
    at = LOG.index(b"agent 123456 18")
    teller = Told(Framed(plain()), LogForm.TEXT, unheard=at)
    assert teller.feed(LOG[:at]) + teller.feed(LOG[at:]) + teller.end() == b"two\nagent 1 2 -\nopen\n"
