"""What is known of an attempt under way: facts, and None where there are none."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from codencer.engine.live import LONGEST_LINE, Live, last_output
from codencer.model.attempt import AttemptState
from codencer.process.watch import changed

Open = Callable[..., Any]

WORKER = """
import pathlib, subprocess, sys, time
pathlib.Path("new.txt").write_text("new")
pathlib.Path("code.txt").write_text("changed")
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.25: pass"])
nap = subprocess.Popen([sys.executable, "-c", "import time; print('napping', flush=True); time.sleep(60)"])
while not pathlib.Path(GATE).exists():
    time.sleep(0.02)
nap.kill()
"""


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo({"code.txt": "broken\n", ".gitignore": "*.log\n"})


async def live(house: Any, step: Any) -> Live | None:
    found: Live | None = await house.engine.live(await house.engine.get_step(step.id))
    return found


async def test_an_agent_at_work(
    repo: Path, open_engine: Open, write_agent: Callable[[str, str], list[str]], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    argv = write_agent("worker", WORKER.replace("GATE", repr(str(gate))))
    (repo / ".codencer").mkdir()
    (repo / ".codencer/config.toml").write_text(f"[adapters.worker]\ncommand = {json.dumps(argv)}\n")
    async with open_engine(repo, max_parallel="1", sandbox="none") as house:
        step = await house.submit("work", is_simulation=False, adapter_profile="worker")
        queued = await house.submit("simulate: say next")
        await house.reached(step, "agent.started")
        await printed(house, step, "napping")
        found = await live(house, step)
        assert found is not None
        assert (found.stage, found.launch) == (AttemptState.RUNNING, "agent-1")
        assert found.last_output == "napping"
        assert found.last_output_ms is not None
        assert 0 <= found.last_output_ms < 30_000
        assert found.processes == 2
        assert found.cpu_ms is not None
        assert found.cpu_ms >= 200, "a child that has ended counts"
        assert found.memory_bytes is not None
        assert found.memory_bytes > 2**20
        assert found.files_changed == 2
        assert await live(house, queued) is None
        gate.touch()
        await house.settled(step)
        assert await live(house, step) is None


async def printed(house: Any, step: Any, line: str) -> None:
    await says((await house.engine.log_file(step.id)).path, line)


async def says(path: Path, text: str) -> None:
    """Wait until a file that exists holds this text."""
    async with asyncio.timeout(20), aclosing(changed(path)) as looks:
        async for _ in looks:
            if text in await asyncio.to_thread(path.read_text):
                return


async def test_a_validation_at_work(repo: Path, open_engine: Open, tmp_path: Path) -> None:
    note, gate = tmp_path / "note", tmp_path / "gate"
    note.write_text("")
    check = f"echo checking >&2; echo checking >> {note}; while ! test -e {gate}; do sleep 0.02; done"
    async with open_engine(repo, sandbox="none") as house:
        step = await house.submit(
            "simulate: write code.txt fixed", validations=[{"name": "slow", "command": check}]
        )
        await house.reached(step, "snapshot.taken")
        await says(note, "checking")
        found = await live(house, step)
        await asyncio.to_thread(gate.touch)
        await house.settled(step)
    assert found is not None
    assert (found.stage, found.launch) == (AttemptState.VALIDATING, "validation-1-1")
    assert (found.last_output, found.files_changed) == ("checking", 1)


async def test_many_ask_at_once_and_a_slow_look_leaves_the_rest_known(
    repo: Path, open_engine: Open, tmp_path: Path
) -> None:
    async with open_engine(repo) as house:
        step = await house.submit("simulate: write new.txt new\nsimulate: say waiting\nsimulate: hang")
        await printed_soon(house, step)
        began = time.monotonic()
        found = await asyncio.gather(*(live(house, step) for _ in range(12)))
        assert time.monotonic() - began < 10
        assert {each.launch for each in found if each} == {"agent-1"}
        assert {each.files_changed for each in found if each} == {1}
        # A workspace that cannot be looked at is unknown; the rest is told all the same.
        attempt = (await house.engine.attempts(step.id))[-1]
        os.rename(attempt.workspace, tmp_path / "moved")
        gone = await live(house, step)
        assert gone is not None
        assert (gone.files_changed, gone.launch) == (None, "agent-1")
        os.rename(tmp_path / "moved", attempt.workspace)
        await house.engine.cancel(step.id, "test")
        await house.settled(step)


async def printed_soon(house: Any, step: Any) -> None:
    await house.reached(step, "agent.started")
    await printed(house, step, "hanging")


@pytest.mark.parametrize(
    ("stdout", "expected"),
    [
        (b"", None),
        (b"one\ntwo\n\n  \n", "two"),
        (b"one\nstill writi", "still writi"),
        (b"\n\n", None),
        (b"a\r\nprogress 1\rprogress 2", "progress 2"),
        (b"\xff\xfe bytes\n", "\ufffd\ufffd bytes"),
        (b"x" * 100_000 + b"end\n", "…" + "x" * (LONGEST_LINE - 4) + "end"),
    ],
)
def test_the_last_line(tmp_path: Path, stdout: bytes, expected: str | None) -> None:
    (tmp_path / "stdout").write_bytes(stdout)
    (tmp_path / "stderr").write_bytes(b"")
    line, ago_ms = last_output(tmp_path)
    assert line == expected
    assert (ago_ms is None) is (stdout == b"")


def test_the_output_written_last_is_the_one(tmp_path: Path) -> None:
    (tmp_path / "stdout").write_text("out\n")
    (tmp_path / "stderr").write_text("err\n")
    now = time.time_ns()
    os.utime(tmp_path / "stdout", ns=(now, now - 5_000_000_000))
    os.utime(tmp_path / "stderr", ns=(now, now - 60_000_000_000))
    line, ago_ms = last_output(tmp_path)
    assert (line, (ago_ms or 0) // 1000) == ("out", 5)
    os.utime(tmp_path / "stdout", ns=(now, now + 60_000_000_000))
    assert last_output(tmp_path) == ("out", 0), "a clock that was set back makes no negative times"


def test_a_launch_that_left_nothing(tmp_path: Path) -> None:
    assert last_output(tmp_path) == (None, None)
