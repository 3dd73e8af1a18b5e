"""/proc, read carefully."""

import os

import pytest

from codencer.process import procfs


def test_this_process() -> None:
    mine = procfs.read_stat(os.getpid())
    assert mine is not None
    assert (mine.pid, mine.parent, mine.group) == (os.getpid(), os.getppid(), os.getpgrp())
    assert mine.state in {"R", "S"}
    assert mine.rss_bytes > 1_000_000
    assert os.getpid() in procfs.all_pids()
    assert os.getpid() in {stat.pid for stat in procfs.all_stats()}


def test_a_process_that_is_not_there() -> None:
    assert procfs.read_stat(2**22 + 1) is None
    assert not procfs.has_in_environment(2**22 + 1, b"A=b")


def test_a_name_full_of_tricks(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = "S 7 8 8 0 -1 0 1 2 3 4 250 50 0 0 20 0 1 0 12345 99 3"
    monkeypatch.setattr(procfs, "read_bytes", lambda _: f"42 (a) R 1 (b)) {rest}".encode())
    stat = procfs.read_stat(42)
    assert stat is not None
    assert (stat.name, stat.state, stat.parent, stat.group) == ("a) R 1 (b)", "S", 7, 8)
    assert stat.start_ticks == 12345
    assert stat.cpu_us == 300 * 1_000_000 // os.sysconf("SC_CLK_TCK")


def test_only_the_whole_assignment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfs, "read_bytes", lambda _: b"A=b\0XA=bc\0C=\0")
    assert procfs.has_in_environment(1, b"A=b")
    assert procfs.has_in_environment(1, b"C=")
    assert not procfs.has_in_environment(1, b"A=bc")
    assert not procfs.has_in_environment(1, b"A=")


def test_boot_id_is_known() -> None:
    assert len(procfs.boot_id()) == 36
