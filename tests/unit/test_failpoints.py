"""The door for crash tests is shut unless asked, and opens once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from codencer import failpoints
from codencer.model.event import EventKind
from codencer.testing.failpoints import names

PROGRAM = """
from codencer.failpoints import reach
for name in ("first", "second", "first"):
    reach(name)
    print(name, flush=True)
"""


def run(asked: str | None) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if name != failpoints.VARIABLE}
    env |= {"PYTHONPATH": os.fspath(Path(failpoints.__file__).parents[1])}
    if asked is not None:
        env[failpoints.VARIABLE] = asked
    argv = [sys.executable, "-c", PROGRAM]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def test_nothing_happens_unless_asked(tmp_path: Path) -> None:
    for asked in (None, "", f"kill third 1 {tmp_path / 'once'}"):
        done = run(asked)
        assert (done.returncode, done.stdout, done.stderr) == (0, "first\nsecond\nfirst\n", "")
    assert list(tmp_path.iterdir()) == []


def test_it_ends_at_that_moment_the_nth_time_and_once_only(tmp_path: Path) -> None:
    asked = f"kill first 2 {tmp_path / 'a file'}"
    assert (run(asked).returncode, run(asked).returncode) == (-9, 0)
    assert run(f"kill first 2 {tmp_path / 'another'}").stdout == "first\nsecond\n"


def test_names_are_recorded_in_order(tmp_path: Path) -> None:
    assert run(f"record {tmp_path / 'names'}").returncode == 0
    assert (tmp_path / "names").read_text() == "first\nsecond\nfirst\n"


@pytest.mark.parametrize("asked", ["kill first", "kill first x /tmp/once", "explode first 1 /tmp/once"])
def test_what_is_not_understood_is_no_silence(asked: str) -> None:
    assert "ValueError" in run(asked).stderr


def test_the_list_is_read_off_the_code() -> None:
    found = names()
    assert len(found) == len(set(found))
    assert {f"{kind}:{side}" for kind in EventKind for side in ("before", "after")} < set(found)
    assert "launch.spawn:after" in found
