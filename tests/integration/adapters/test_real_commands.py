"""What the command adapter takes for granted about the system, tried on the system."""

import os
import subprocess
from pathlib import Path

import pytest

from codencer.adapters import load
from codencer.adapters.command import MAX_ARGUMENT_BYTES
from codencer.model.attempt import Ending
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.ports import Assignment
from codencer.model.step import AdapterSettings, PromptChannel
from codencer.model.task import TaskSpec

AGENT = """\
#!/bin/sh
if [ "$#" -gt 0 ]; then prompt="$1"; else prompt="$(cat)"; fi
[ -f "$prompt" ] && prompt="$(cat "$prompt")"
printf 'got: %s' "$prompt"
printf '{"questions": ["ok?"]}' > "$CODENCER_RESULT_FILE"
exit 3
"""


@pytest.mark.parametrize("channel", PromptChannel)
def test_the_prompt_reaches_a_program_whole(channel: PromptChannel, tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text(AGENT)
    program.chmod(0o755)
    adapter = load(
        "mine",
        AdapterSettings(name="mine", command=("./agent",), prompt=channel, success_exit_codes=(3,)),
        checkout=tmp_path,
    )
    assert adapter.probe().installed
    prompt = "two 'lines'\nand $HOME ä"
    (tmp_path / "prompt.txt").write_text(prompt)
    launch = adapter.launch(
        Assignment(
            task=TaskSpec(goal=prompt),
            prompt=prompt,
            workspace=tmp_path,
            task_file=tmp_path / "task.json",
            prompt_file=tmp_path / "prompt.txt",
            result_file=tmp_path / "result.json",
            report_file=tmp_path / "report.json",
        )
    )
    done = subprocess.run(
        launch.argv,
        cwd=tmp_path,
        env={**os.environ, "CODENCER_RESULT_FILE": str(tmp_path / "result.json")},
        input=launch.stdin,
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.stdout.decode() == f"got: {prompt}"
    parser = adapter.parser()
    parser.feed(done.stdout)
    outcome = parser.finish(
        ExitRecord(reason=ExitReason.EXITED, code=done.returncode), (tmp_path / "result.json").read_bytes()
    )
    assert outcome.ending is Ending.SUCCEEDED
    assert outcome.summary == "and $HOME ä"
    assert outcome.questions == ("ok?",)


def test_the_limit_of_one_argument_is_the_kernels() -> None:
    subprocess.run(["/bin/true", "x" * MAX_ARGUMENT_BYTES], check=True, timeout=30)
    with pytest.raises(OSError, match="Argument list too long"):
        subprocess.run(["/bin/true", "x" * (MAX_ARGUMENT_BYTES + 1)], check=True, timeout=30)
