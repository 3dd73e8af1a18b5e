"""The supervisor's parts that need no process: its JSON and its clock."""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codencer import supervisor
from codencer.process import folder, tree

VALUES = st.recursive(
    st.text(max_size=20) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=4))
def test_its_json_is_json(value: dict[str, object]) -> None:
    text = supervisor.dump_json(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert supervisor.load_json(json.dumps(value, indent=1), 0)[0] == value


def test_both_sides_use_the_same_words() -> None:
    assert supervisor.PROTOCOL == folder.PROTOCOL
    assert supervisor.PROTOCOL in folder.UNDERSTOOD
    assert supervisor.MARKER.decode() == tree.MARKER_VARIABLE


def test_it_imports_only_what_starts_quickly() -> None:
    source = Path(supervisor.__file__).read_text()
    head = source.partition("PROTOCOL")[0]
    for slow in (
        "subprocess",
        "threading",
        "asyncio",
        "tempfile",
        "json\n",
        "re\n",
        "enum",
        "typing\n",
        "pathlib",
    ):
        assert f"\nimport {slow}" not in head
    assert "codencer." not in head


def clock(tmp_path: Path, **limits: float) -> tuple[supervisor.Clock, int, float]:
    output = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    given_limits = {"wall_seconds": 0, "idle_seconds": 0, "output_bytes": 0, **limits}
    began = time.monotonic()
    return supervisor.Clock(given_limits, [output]), output, began


def test_without_limits_the_clock_never_rings(tmp_path: Path) -> None:
    mine, output, began = clock(tmp_path)
    assert mine.exceeded(began + 1e9) == ""
    assert (mine.wall, mine.idle, mine.measure) == (supervisor.NEVER,) * 3
    os.close(output)


def test_wall(tmp_path: Path) -> None:
    mine, output, began = clock(tmp_path, wall_seconds=10)
    assert mine.exceeded(began + 9) == ""
    assert mine.exceeded(began + 11) == "timeout"
    os.close(output)


def test_idle_is_measured_from_the_last_change(tmp_path: Path) -> None:
    mine, output, began = clock(tmp_path, idle_seconds=10)
    os.write(output, b"x")
    os.utime(output, ns=(0, time.time_ns() - 4_000_000_000))
    mine.ahead = time.time() - (began + 10.5)  # both clocks have gone on alike
    assert mine.exceeded(began + 10.5) == ""
    assert mine.idle == pytest.approx(began + 16, abs=1)
    assert mine.exceeded(mine.idle + 0.01) == "idle_timeout"
    os.close(output)


@pytest.mark.parametrize("jump_seconds", [-86400, 86400])
def test_a_wall_clock_that_jumps_neither_kills_nor_spares(tmp_path: Path, jump_seconds: int) -> None:
    mine, output, began = clock(tmp_path, idle_seconds=10)
    os.write(output, b"x")
    os.utime(output, ns=(0, time.time_ns() + jump_seconds * 1_000_000_000))
    assert mine.exceeded(began + 10.5) in {"", "idle_timeout"}
    assert began + 10 <= mine.idle <= began + 21
    os.close(output)


def test_output_is_measured_when_it_could_be_too_much(tmp_path: Path) -> None:
    limit = 4 * supervisor.WRITE_RATE
    mine, output, began = clock(tmp_path, output_bytes=limit)
    assert mine.exceeded(began + 1) == ""
    assert mine.measure == pytest.approx(began + 5)
    os.ftruncate(output, limit)
    assert mine.exceeded(began + 6) == ""
    assert mine.measure == pytest.approx(began + 6 + supervisor.SHORTEST_MEASURE)
    os.ftruncate(output, limit + 1)
    assert mine.exceeded(began + 7) == "output_limit"
    os.close(output)
