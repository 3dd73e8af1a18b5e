"""A disk that answers EIO: nothing that was acknowledged is lost, nothing that was refused comes back.

The ledger runs in a process of its own, which is killed at the end as a crash would; then the file is
read again on a disk that works.
"""

import asyncio
import errno
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.faults import Faults, why_not

from codencer.ledger import Ledger, Queries, verify

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

WRITER = """
import asyncio, json, sys
from pathlib import Path
from codencer.errors import CodencerError
from codencer.ledger import Ledger
from codencer.model.event import EventKind
from codencer.model.run import RunLabels
ledger = Ledger.open(Path(sys.argv[1]))
for line in sys.stdin:
    name = line.strip()
    def write(tx):
        tx.append(EventKind.RUN_CREATED, {"labels": RunLabels(planner="p" * 9000)}, run_id=name)
    try:
        asyncio.run(ledger.write(write))
        said = {"ok": True}
    except CodencerError as problem:
        said = {"ok": False, "code": problem.code, "message": str(problem)}
    print(json.dumps(said), flush=True)
"""

Ask = Callable[[str], dict[str, object]]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


@pytest.fixture
def faults(fault_library: Path, tmp_path: Path, disk: Path) -> Faults:
    return Faults(fault_library, tmp_path / "control", (disk,))


@contextmanager
def writing(disk: Path, faults: Faults) -> Iterator[Ask]:
    """A process that records runs by name; killed when the block ends."""
    command = [sys.executable, "-c", WRITER, str(disk / "codencer.db")]
    env = {"PYTHONPATH": ":".join(sys.path), **faults.environment}
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(name: str) -> dict[str, object]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{name}\n")
            process.stdin.flush()
            answer: dict[str, object] = json.loads(process.stdout.readline())
            return answer

        try:
            yield ask
        finally:
            process.kill()


def recorded(disk: Path) -> set[str]:
    """The runs that are there after the crash; the record holds."""
    ledger = Ledger.open(disk / "codencer.db")
    try:
        runs = {run.id for run in asyncio.run(ledger.read(Queries.runs))}
    finally:
        ledger.close()
    assert verify(disk / "codencer.db").ok
    return runs


def test_the_shim_bites_where_it_should_and_nowhere_else(disk: Path, faults: Faults, tmp_path: Path) -> None:
    code = "import sys, pathlib, time; print(int(time.time())); pathlib.Path(sys.argv[1]).write_text('x')"

    def write(folder: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, str(folder / "file")]
        return subprocess.run(command, env=faults.environment, capture_output=True, text=True, check=False)

    before = int(write(disk).stdout)
    faults.fail(errno.EIO)
    faults.set_clock(-86_400)
    failed, other = write(disk), write(tmp_path)
    assert "Input/output error" in failed.stderr
    assert other.returncode == 0
    assert -86_500 < int(other.stdout) - before < -86_300
    faults.mend()
    assert write(disk).returncode == 0


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_what_was_refused_does_not_come_back(disk: Path, faults: Faults, number: int) -> None:
    with writing(disk, faults) as ask:
        assert ask("before")["ok"]
        faults.fail(number)
        refused = ask("refused")
        assert (refused["ok"], refused["code"]) == (False, "storage_failed")
        assert str(disk) in str(refused["message"])
        assert not ask("refused-too")["ok"]
        faults.mend()
        assert ask("after")["ok"]
    assert recorded(disk) == {"before", "after"}


def test_a_commit_that_the_disk_would_not_keep_is_gone_after_a_crash(disk: Path, faults: Faults) -> None:
    with writing(disk, faults) as ask:
        assert ask("before")["ok"]
        faults.fail(errno.EIO, flushes=True, times=1)
        assert not ask("refused")["ok"]
    assert recorded(disk) == {"before"}


def test_while_nobody_knows_the_answer_says_so(disk: Path, faults: Faults) -> None:
    with writing(disk, faults) as ask:
        assert ask("before")["ok"]
        faults.fail(errno.EIO, flushes=True)
        assert "is known once the disk works" in str(ask("doubted")["message"])
        assert "is known" not in str(ask("refused")["message"]), "it was not even tried"
    assert recorded(disk) <= {"before", "doubted"}


@pytest.mark.parametrize("goes_on", [False, True], ids=["killed in it", "mended"])
@pytest.mark.parametrize(
    ("through", "flushes"), [*((n, False) for n in range(0, 40, 8)), (1, True), (2, True)]
)
def test_at_whatever_call_the_disk_begins_to_fail(
    disk: Path, faults: Faults, through: int, flushes: bool, goes_on: bool
) -> None:
    kept, doubted = set(), set()
    with writing(disk, faults) as ask:
        assert ask("first")["ok"]
        kept.add("first")
        faults.fail(errno.EIO, after=through, flushes=flushes)
        for name in ("a", "b", "c"):
            answer = ask(name)
            if answer["ok"]:
                kept.add(name)
            elif "is known once the disk works" in str(answer["message"]):
                doubted.add(name)
        if goes_on:
            faults.mend()
            assert ask("last")["ok"]
            kept.add("last")
    found = recorded(disk)
    assert kept <= found
    assert found - kept <= (set() if goes_on else doubted)
