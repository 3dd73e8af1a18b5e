"""Validation commands as a real shell and real programs end them."""

import subprocess
from pathlib import Path

import pytest

from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.task import ValidationSpec
from codencer.model.validation import ValidationState
from codencer.validation import judge_run, launch

PASSED, FAILED, ERRORED = ValidationState.PASSED, ValidationState.FAILED, ValidationState.ERRORED


@pytest.mark.parametrize(
    ("command", "state"),
    [
        ("true", PASSED),
        ('cd sub && test "$(cat \'a b\')" = "it\'s" | cat', PASSED),
        (("sh", "-c", 'test "$MODE" = strict'), PASSED),
        (("test", "a b", "=", "a b"), PASSED),
        ("test $MODE = loose", FAILED),
        ("exit 255", FAILED),
        ("no-such-program-anywhere --flag", ERRORED),
        ("true && no-such-program-anywhere", ERRORED),
        ("./not-executable", ERRORED),
        ("kill -SEGV $$", ERRORED),
    ],
)
def test_a_command(command: str | tuple[str, ...], state: ValidationState, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a b").write_text("it's")
    (tmp_path / "not-executable").write_text("#!/bin/sh\n")
    spec = ValidationSpec(name="v", command=command, env={"MODE": "strict"})
    start = launch(spec)
    done = subprocess.run(
        start.argv,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", **start.env},
        capture_output=True,
        check=False,
        timeout=30,
    )
    code, signal = (done.returncode, None) if done.returncode >= 0 else (None, -done.returncode)
    result = judge_run(spec, ExitRecord(reason=ExitReason.EXITED, code=code, signal=signal))
    assert result.state is state, done.stderr
