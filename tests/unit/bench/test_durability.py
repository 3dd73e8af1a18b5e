"""How the cost of durability is counted."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bench.durability import commits, waits_for_the_disk


def test_transactions_are_counted_and_pages_are_not(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
        log = tmp_path / "x.db-wal"
        first, before = commits(log.read_bytes())
        for _ in range(3):
            connection.execute("BEGIN")
            connection.execute("INSERT INTO t VALUES (?)", ("x" * 20_000,))
            connection.execute("INSERT INTO t VALUES (1)")
            connection.execute("COMMIT")
        assert commits(log.read_bytes()) == (first, before + 3)
        assert commits(log.read_bytes()[:-1]) == (first, before + 2)
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        connection.execute("INSERT INTO t VALUES (1)")
        again, count = commits(log.read_bytes())
        assert (again != first, count) == (True, 1)


def test_waits_are_told_apart_by_what_they_wait_for() -> None:
    step = [
        '10 execve("/usr/bin/git", ["git", "config", "--list", "-z"], 0x1 /* 9 vars */) = 0',
        "9  fdatasync(11</r/.git/codencer/codencer.db-wal>) = 0",
        "9  fdatasync(11</r/.git/codencer/codencer.db-wal> <unfinished ...>",
        "9  <... fdatasync resumed>) = 0",
        "12 fsync(7</r/.git/codencer/artifacts/r/s/a/stdout.log>) = 0",
        "12 fsync(7</r/.git/codencer/artifacts/r/s/a>) = 0",
        "13 fsync(3</r/.git/codencer/launches/att/agent-1/claim.13>) = 0",
        "14 fsync(3</r/.git/objects/tmp_objdir-bulk-fsync-x/y>) = 0",
        "15 fsync(3</home/x>) = 0",
    ]
    assert waits_for_the_disk([*step, *step, *step]) == {
        "ledger": 2,
        "evidence": 2,
        "launches": 1,
        "git": 1,
        "other": 1,
    }
