"""The parts of the soak that decide what counts as wrong."""

import random
import time
from pathlib import Path

from tests.soak import diaries, processes, tasks
from tests.soak.journal import Journal


def test_the_same_seed_asks_for_the_same_tasks() -> None:
    def made(seed: str) -> list[tasks.Task]:
        rng = random.Random(seed)
        return [tasks.make(rng, f"p0-{number}") for number in range(200)]

    assert made("1") == made("1")
    assert made("1") != made("2")
    assert len({task.kind for task in made("1")}) == 15


def test_a_diary_is_read_as_it_was_written(tmp_path: Path) -> None:
    lines = (
        '{"start": {"pid": 7, "ticks": 9}}',
        '{"wrote": "a.txt", "token": "t"}',
        '{"child": {"pid": 8, "ticks": 10}}',
        '{"committed": "abc"}',
        '{"start": {"pid": 11, "ticks": 12}}',
        '{"end": true}',
    )
    (tmp_path / "att_1").write_text("\n".join(lines) + "\n")
    diary = diaries.read(tmp_path / "att_1")
    assert diary == diaries.Diary(
        starts=2,
        ended=True,
        tokens=[("a.txt", "t")],
        commits=["abc"],
        processes=[(7, 9), (8, 10), (11, 12)],
    )
    assert diaries.read(tmp_path / "att_2") == diaries.Diary()


def test_a_full_disk_excuses_only_what_happened_then() -> None:
    journal, now = Journal(), time.time()
    number = journal.disk_fails("full")
    assert journal.without_disk(now, now + 100)
    assert not journal.without_disk(now - 100, now - 50)
    journal.disk_mended(number)
    assert not journal.without_disk(now + 50, now + 100)


def test_what_a_daemon_wrote_with_a_wrong_clock_is_placed_right() -> None:
    journal, now, week = Journal(), time.time(), 7 * 86_400
    number = journal.clock_jumps(week)
    assert abs(journal.machine_time(now + week) - now) < 1
    journal.clock_is_right(number)
    assert abs(journal.machine_time(now + week) - now) < 1
    assert journal.machine_time(now) == now
    assert journal.machine_time(now + week + 100) == now + week + 100


def test_a_process_is_known_by_when_it_began() -> None:
    stat = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    pid = int(Path("/proc/self").resolve().name)
    assert processes.runs(pid, int(stat[19]))
    assert not processes.runs(pid, int(stat[19]) + 1)
