"""Short commands: what they print, and what ends them when they do not end by themselves."""

import os
import select
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from codencer.errors import LaunchFailed
from codencer.process.commands import Bounds, run

ENV: Mapping[str, str] = {"PATH": os.environ["PATH"]}


def has_ended(pid_file: Path) -> bool:
    """Whether the process noted there is gone, or will be in a moment."""
    try:
        handle = os.pidfd_open(int(pid_file.read_text()))
    except ProcessLookupError:
        return True
    with open(handle, "rb", buffering=0) as process:
        return bool(select.select([process], [], [], 10)[0])


def test_code_and_both_streams(tmp_path: Path) -> None:
    done = run(["sh", "-c", "pwd; echo err >&2; exit 3"], cwd=tmp_path, env=ENV)
    assert (done.code, done.stdout, done.stderr) == (3, os.fsencode(tmp_path) + b"\n", b"err\n")


def test_death_by_signal() -> None:
    assert run(["sh", "-c", "kill -KILL $$"], env=ENV).code == -9


def test_environment_is_the_one_given() -> None:
    assert run(["env"], env={"PATH": ENV["PATH"], "ONLY": "this"}).stdout == (
        f"PATH={ENV['PATH']}\nONLY=this\n".encode()
    )


def test_stdin_and_a_lot_of_output_at_once() -> None:
    words = os.urandom(3_000_000)
    done = run(["sh", "-c", "tee /dev/stderr"], env=ENV, stdin=words)
    assert done.stdout == words
    assert done.stderr == words


def test_stdin_nobody_reads() -> None:
    assert run(["true"], env=ENV, stdin=b"x" * 1_000_000).code == 0


def test_without_stdin_it_reads_the_end_at_once() -> None:
    assert run(["cat"], env=ENV).stdout == b""


def test_files_for_both_ends(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"words")
    target.write_bytes(b"something longer that was there before")
    done = run(["cat"], env=ENV, stdin=source, stdout_file=target)
    assert (done.stdout, target.read_bytes()) == (b"", b"words")


@pytest.mark.parametrize(
    ("argv", "cwd"), [(["/no/such/program"], None), (["true"], Path("/no/such/folder")), (["a\0b"], None)]
)
def test_not_startable(argv: list[str], cwd: Path | None) -> None:
    with pytest.raises(LaunchFailed, match="cannot start"):
        run(argv, cwd=cwd, env=ENV)


def test_whoever_does_nothing_is_killed(tmp_path: Path) -> None:
    began = time.monotonic()
    script = f"sleep 60 & echo $! >{tmp_path}/pid; wait"
    with pytest.raises(LaunchFailed, match=r"^sh -c .* was killed: it did nothing for"):
        run(["sh", "-c", script], env=ENV, bounds=Bounds(stall_seconds=0.4))
    assert time.monotonic() - began < 5
    assert has_ended(tmp_path / "pid")


@pytest.mark.parametrize(
    "script",
    [
        "for i in 1 2 3 4 5 6 7 8; do echo x; sleep .1; done",
        "for i in 1 2 3 4 5 6 7 8; do cat /dev/null; sleep .1; done",
        "for i in 1 2 3 4 5 6 7 8; do echo x >>out; sleep .1; done",
    ],
)
def test_whoever_gets_on_is_not(script: str, tmp_path: Path) -> None:
    assert run(["sh", "-c", script], cwd=tmp_path, env=ENV, bounds=Bounds(stall_seconds=0.5)).code == 0


def test_a_file_that_grows_is_progress(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do echo x; sleep .1; done"
    target = tmp_path / "out"
    assert run(["sh", "-c", script], env=ENV, stdout_file=target, bounds=Bounds(stall_seconds=0.5)).code == 0
    assert target.read_text() == "x\n" * 8


def test_too_much_output(tmp_path: Path) -> None:
    with pytest.raises(LaunchFailed, match="it printed more than 1000000 bytes"):
        run(["cat", "/dev/zero"], env=ENV, bounds=Bounds(output_bytes=1_000_000))
    script = "head -c 2000000 /dev/zero; sleep 60"
    with pytest.raises(LaunchFailed, match="it printed more than 1000000 bytes"):
        run(
            ["sh", "-c", script],
            env=ENV,
            stdout_file=tmp_path / "out",
            bounds=Bounds(output_bytes=1_000_000, stall_seconds=2),
        )


def test_a_child_that_keeps_the_pipes_delays_nothing(tmp_path: Path) -> None:
    began = time.monotonic()
    done = run(["sh", "-c", f"echo words; sleep 60 & echo $! >{tmp_path}/pid"], env=ENV)
    assert (done.code, done.stdout) == (0, b"words\n")
    assert time.monotonic() - began < 5
    assert has_ended(tmp_path / "pid")


def test_without_pidfds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    done = run(["sh", "-c", "cat; exit 2"], env=ENV, stdin=b"words")
    assert (done.code, done.stdout) == (2, b"words")
    with pytest.raises(LaunchFailed, match="it did nothing"):
        run(["sh", "-c", "exec >&- 2>&-; sleep 60"], env=ENV, bounds=Bounds(stall_seconds=0.2))


def test_it_is_quick() -> None:
    took = []
    for _ in range(20):
        began = time.perf_counter()
        run(["true"], env=ENV)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.01  # 1 ms on an idle machine
