"""The harness's arithmetic, its table, and how it counts the work of a step."""

import json

import pytest
from bench.census import one_step
from bench.figures import MET, MISSED, OPEN, Figure, paired, shown, table
from hypothesis import given
from hypothesis import strategies as st

positive = st.floats(min_value=0.01, max_value=1e6)


def figure(value: float, goal: float | None = None, **more: object) -> Figure:
    given = {"group": "step", "name": "one step", "unit": "ms", "beside": "bare 40.0 ms"} | more
    return Figure(value=value, goal=goal, **given)  # type: ignore[arg-type]  # whatever a case needs


def test_a_ratio_is_the_median_of_the_pairs_not_the_ratio_of_medians() -> None:
    # The second pair met a busy machine on both sides, which says nothing about the bridge.
    pairs = paired([(15.0, 10.0), (300.0, 200.0), (12.0, 10.0)])
    assert pairs.ratio == 1.5
    assert pairs.beside("ms") == "bridge 15 ms, bare 10 ms: 1.50 x"


@given(st.lists(positive, min_size=1, max_size=9), st.floats(min_value=0.1, max_value=10))
def test_a_constant_factor_is_found_however_the_machine_behaves(bare: list[float], factor: float) -> None:
    assert paired([(each * factor, each) for each in bare]).ratio == pytest.approx(factor)


def test_no_round_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        paired([])


@pytest.mark.parametrize(
    ("value", "goal", "want", "verdict"),
    [
        (50.0, 50.0, "at most", MET),
        (50.1, 50.0, "at most", MISSED),
        (6.6, 6.7, "at least", MISSED),
        (6.8, 6.7, "at least", MET),
        (0.0, 0.0, "at most", MET),
        (1.0, None, "at most", OPEN),
    ],
)
def test_a_goal_is_met_or_not(value: float, goal: float | None, want: str, verdict: str) -> None:
    assert figure(value, goal, want=want).verdict == verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (20.0, "20"),
        (1.5, "1.50"),
        (0.153, "0.15"),
        (12.34, "12.3"),
        (1234.56, "1235"),
        (-3.21, "-3.21"),
    ],
)
def test_a_number_has_the_digits_that_mean_something(value: float, text: str) -> None:
    assert shown(value) == text


def test_the_table_has_goal_and_value_side_by_side() -> None:
    lines = table([figure(60.0, 50.0), figure(1.25, unit="", beside="")]).splitlines()
    assert lines[0].split() == ["measured", "goal", "now", "verdict", "beside", "it"]
    assert [cell.strip() for cell in lines[2].split("  ") if cell] == [
        "one step",
        "at most 50 ms",
        "60 ms",
        "MISSED",
        "bare 40.0 ms",
    ]
    assert lines[3].split() == ["one", "step", "none", "1.25", "-"]
    assert len({line.index("MISSED") for line in lines if "MISSED" in line}) == 1


def test_a_figure_is_kept_whole() -> None:
    document = json.loads(json.dumps(figure(60.12345678, 50.0, samples=(59.0, 61.00001)).document()))
    assert document["value"] == 60.1235
    assert document["samples"] == [59.0, 61.0]
    assert document["verdict"] == MISSED
    assert document["goal"] == 50.0


def test_one_step_is_what_lies_between_two_beginnings() -> None:
    step = [
        '10 execve("/usr/bin/git", ["git", "config", "--list", "-z"], 0x1 /* 9 vars */) = 0',
        "9  fdatasync(11) = 0",
        '11 execve("/usr/bin/git", ["git", "read-tree", "-u"], 0x1 /* 9 vars */ <unfinished ...>',
        "11 <... execve resumed>) = 0",
        '12 execve("/opt/bin/python3", ["/opt/bin/python3", "-I", "-S"], 0x1 /* 9 vars */) = 0',
        '12 execve("/opt/bin/date", ["date"], 0x1 /* 9 vars */) = -1 ENOENT (No such file or directory)',
        '12 execve("/usr/bin/date", ["date"], 0x1 /* 9 vars */) = 0',
        "12 fsync(7 <unfinished ...>",
        "12 <... fsync resumed>) = 0",
    ]
    counted = one_step(["8 fsync(3) = 0", *step, *step, *step])
    assert counted == {
        "git config": 1,
        "git read-tree": 1,
        "spawn python": 1,
        "spawn date": 1,
        "fdatasync": 1,
        "fsync": 1,
    }
