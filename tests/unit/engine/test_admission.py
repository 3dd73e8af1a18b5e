"""Whose turn it is: never more than any limit, in order within a run, and nobody waits for ever."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.config import AtOnce
from codencer.engine.admission import Admission, Waiting
from codencer.model.run import BY_HAND


class Hall:
    """A queue and what is under way, changed as the scheduler changes them."""

    def __init__(self, limits: AtOnce) -> None:
        self.queue: dict[str, Waiting] = {}
        self.under_way: dict[str, Waiting] = {}
        self.paused: dict[str, str] = {}
        self.begun: list[str] = []
        self.everybody: dict[str, Waiting] = {}
        self.rules = Admission(limits=limits, queue=self.queue, under_way=self.under_way, paused=self.paused)

    def submit(self, run: str, adapter: str = "a", priority: int = 0, behind: str | None = None) -> str:
        step_id = f"s{len(self.everybody)}"
        waiting = Waiting(run_id=run, adapter=adapter, priority=priority, behind=behind)
        self.everybody[step_id] = self.queue[step_id] = waiting
        return step_id

    def begin(self) -> list[str]:
        """Let everybody in who may come; return who came."""
        before = len(self.begun)
        while (step_id := self.rules.next()) is not None:
            self.under_way[step_id] = self.queue.pop(step_id)
            self.begun.append(step_id)
        return self.begun[before:]

    def reason(self, step_id: str, memory: str | None = None) -> str | None:
        return self.rules.reason(step_id, memory)


def test_the_run_with_the_fewest_under_way_goes_first() -> None:
    hall = Hall(AtOnce(overall=2))
    one, two, three = hall.submit("a"), hall.submit("a"), hall.submit("b")
    assert hall.begin() == [one, three]
    del hall.under_way[three]
    assert hall.begin() == [two]


def test_a_higher_priority_goes_first_between_runs_but_not_within_one() -> None:
    hall = Hall(AtOnce(overall=1))
    first, urgent_but_later = hall.submit("a"), hall.submit("a", priority=9)
    low, high = hall.submit("b", priority=-1), hall.submit("c", priority=1)
    order = []
    while begun := hall.begin():
        order += begun
        hall.under_way.clear()
    assert order == [high, first, urgent_but_later, low]


def test_limits_of_an_adapter_and_of_a_run() -> None:
    hall = Hall(AtOnce(overall=9, per_adapter=2, per_run=1))
    one, same_run = hall.submit("a", "x"), hall.submit("a", "y")
    two, three = hall.submit("b", "x"), hall.submit("c", "x")
    assert hall.begin() == [one, two]
    assert hall.reason(same_run) == "its run a has 1 of 1 attempts under way"
    assert hall.reason(three) == "queued behind 1; its adapter x has 2 of 2 attempts under way"
    del hall.under_way[one]
    assert hall.begin() == [same_run, three]


def test_one_held_back_by_its_adapter_holds_back_those_behind_it_in_its_run_only() -> None:
    hall = Hall(AtOnce(overall=9, per_adapter=1))
    hall.submit("a", "x")
    held, behind_it, elsewhere = hall.submit("a", "x"), hall.submit("a", "y"), hall.submit("b", "y")
    assert hall.begin() == ["s0", elsewhere]
    assert hall.reason(held) == "its adapter x has 1 of 1 attempts under way"
    assert hall.reason(behind_it) == "queued behind 1"


def test_every_reason_for_waiting_is_told() -> None:
    hall = Hall(AtOnce(overall=1))
    hall.submit("a")
    hall.begin()
    second, third = hall.submit("a"), hall.submit("a")
    held, based = hall.submit("p"), hall.submit("b", behind=second)
    hall.paused["p"] = BY_HAND
    assert hall.reason(second) == "1 of 1 attempts under way"
    assert hall.reason(third) == "queued behind 1"
    assert hall.reason(held) == "run p is paused"
    hall.paused["p"] = "its budget is used up"
    assert hall.reason(held) == "run p is paused: its budget is used up"
    assert hall.reason(based) == f"waiting for step {second}, whose snapshot is the base"
    assert hall.reason("s0") is None, "it is under way"
    urgent = hall.submit("c", priority=1)
    assert hall.reason(urgent) == "1 of 1 attempts under way"
    assert hall.reason(second) == "queued behind 1; 1 of 1 attempts under way"
    hall.under_way.clear()
    assert hall.reason(urgent) == "about to begin"
    short = "waiting for memory: 1 MiB available, 2 wanted"
    assert hall.reason(urgent, short) == short
    assert hall.reason(second, short) == f"queued behind 1; {short}"
    assert hall.reason(third, short) == "queued behind 2"


def test_a_step_that_is_tried_again_waits_until_its_last_attempt_is_out_of_the_way() -> None:
    hall = Hall(AtOnce(overall=9))
    step = hall.submit("a")
    hall.begin()
    hall.queue[step] = hall.everybody[step]
    assert hall.begin() == []
    del hall.under_way[step]
    assert hall.begin() == [step]


def test_paused_runs_and_awaited_bases_hold_up_nobody_else() -> None:
    hall = Hall(AtOnce(overall=9))
    hall.submit("p")
    hall.submit("a", behind="s9")
    passing = hall.submit("a")
    hall.paused["p"] = BY_HAND
    assert hall.begin() == [passing]
    hall.paused.clear()
    assert hall.begin() == ["s0"]


limits = st.builds(
    AtOnce,
    overall=st.integers(1, 4),
    per_adapter=st.none() | st.integers(1, 3),
    per_run=st.none() | st.integers(1, 3),
)
names = st.sampled_from("abc")
moves = st.lists(
    st.tuples(st.just("submit"), names, st.sampled_from("xy"), st.integers(-1, 1))
    | st.tuples(st.sampled_from(["pause", "resume"]), names)
    | st.tuples(st.just("end"), st.integers(0, 9)),
    max_size=40,
)


def check_limits(hall: Hall, limits: AtOnce) -> None:
    assert len(hall.under_way) <= limits.overall
    for most, counted in (
        (limits.per_run, Counter(each.run_id for each in hall.under_way.values())),
        (limits.per_adapter, Counter(each.adapter for each in hall.under_way.values())),
    ):
        assert most is None or all(count <= most for count in counted.values())


def move(hall: Hall, words: tuple[object, ...]) -> None:
    match words:
        case ("submit", str(run), str(adapter), int(priority)):
            hall.submit(run, adapter, priority)
        case ("pause", str(run)):
            hall.paused[run] = BY_HAND
        case ("resume", str(run)):
            hall.paused.pop(run, None)
        case ("end", int(which)) if which < len(hall.under_way):
            del hall.under_way[list(hall.under_way)[which]]
        case _:
            pass


@given(limits, moves)
def test_limits_hold_order_is_kept_and_everybody_comes(
    limits: AtOnce, moves: list[tuple[object, ...]]
) -> None:
    hall = Hall(limits)
    for words in moves:
        move(hall, words)
        hall.begin()
        check_limits(hall, limits)
        assert all(
            (hall.reason(step_id) is None) is (step_id not in hall.queue) for step_id in hall.everybody
        )
    hall.paused.clear()
    for _ in hall.everybody:
        hall.begin()
        check_limits(hall, limits)
        if hall.under_way:
            del hall.under_way[next(iter(hall.under_way))]
    assert sorted(hall.begun) == sorted(hall.everybody), "nobody waits for ever"
    for run in "abc":
        submitted = [step_id for step_id, each in hall.everybody.items() if each.run_id == run]
        assert [step_id for step_id in hall.begun if hall.everybody[step_id].run_id == run] == submitted


@given(st.lists(st.tuples(names, st.integers(0, 3)), max_size=30))
def test_a_run_that_submits_much_does_not_starve_the_others(later: list[tuple[str, int]]) -> None:
    hall = Hall(AtOnce(overall=2))
    for _ in range(3):
        hall.submit("greedy")
    hall.begin()
    patient = hall.submit("patient")
    for run, ended in later:
        hall.submit(run if run != "a" else "greedy")
        if ended < len(hall.under_way):
            del hall.under_way[list(hall.under_way)[ended]]
            assert patient not in hall.queue or hall.rules.next() == patient, "it has the oldest claim"
            hall.begin()


@pytest.mark.parametrize("count", [2000])
def test_a_long_queue_is_quickly_looked_through(count: int) -> None:
    hall = Hall(AtOnce(overall=1))
    for number in range(count):
        hall.submit(f"run{number % 50}")
    hall.begin()
    assert len(hall.queue) == count - 1
    assert hall.reason(f"s{count - 1}") == f"queued behind {count - 2}"
