"""Output is cut into bounded, printable lines, wherever its bytes were cut."""

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.adapters.lines import MAX_LINE_BYTES, LineReader, one_line, printable

# A busy machine is not a failure.
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_lines_are_complete_when_their_newline_arrives() -> None:
    reader = LineReader()
    assert reader.feed(b"on") == []
    assert reader.feed(b"e\n\n  \ntwo\r\nthr") == ["one", "two"]
    assert reader.flush() == "thr"
    assert reader.flush() == ""


def test_a_character_may_be_cut_in_two() -> None:
    reader = LineReader()
    assert reader.feed("ä".encode()[:1]) == []
    assert reader.feed("ä".encode()[1:] + b"\n") == ["ä"]


def test_of_an_endless_line_only_the_beginning_is_kept() -> None:
    reader = LineReader(limit=10)
    for _ in range(1000):
        assert reader.feed(b"0123456789") == []
    assert len(reader._line) == 10
    assert reader.feed(b"\nnext\n") == ["0123456789… (9990 more bytes)", "next"]


def test_of_a_redrawn_line_the_last_state_is_kept() -> None:
    assert one_line("\x1b[2K 10%\r 99%\r100%\r") == "100%"


def test_a_program_cannot_draw_on_the_terminal() -> None:
    assert one_line("\x1b]0;title\x07\x1b[31mred\x1b[0m\x08\x00 \u202eevil\u202c\x9b") == "red evil"
    assert printable("\x1b[31ma\nb\tc\x07\ud800", 100) == "a\nb\tc?"


def test_text_is_bounded() -> None:
    assert printable("x" * 11, 10) == "x" * 9 + "…"
    assert printable("x" * 10, 10) == "x" * 10


@steady
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_where_the_bytes_are_cut_makes_no_difference(data: bytes, cuts: list[int]) -> None:
    whole, pieces = LineReader(limit=40), LineReader(limit=40)
    expected = [*whole.feed(data), whole.flush()]
    found: list[str] = []
    edges = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(edges):
        found += pieces.feed(data[start:end])
    assert [*found, pieces.flush()] == expected
    for line in expected:
        assert len(line.encode()) <= MAX_LINE_BYTES
        line.encode("utf-8")
