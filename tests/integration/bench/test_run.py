"""`python bench` as `make bench` runs it, and the bare script against the daemon it is compared with."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bench.census import counted
from bench.scene import scene

TOP = Path(__file__).parents[3]


def test_one_group_runs_and_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "latest.json"
    done = subprocess.run(
        [sys.executable, "bench", "--only", "ledger", "--quick", "--out", str(out)],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "durable commit, one after the other" in done.stdout
    kept = json.loads(out.read_text())
    assert [figure["group"] for figure in kept["figures"]] == ["ledger", "ledger"]
    assert all(figure["value"] > 0 for figure in kept["figures"])
    assert kept["machine"]["cores"] >= 1
    assert str(Path.home()) not in out.read_text()


@pytest.mark.slow
@pytest.mark.timeout(180)  # traced system calls crawl on a busy machine
@pytest.mark.skipif(shutil.which("strace") is None, reason="counting system calls needs strace")
def test_the_bare_script_does_the_work_of_a_step_and_no_other() -> None:
    with scene() as place:
        work = counted(place)
    assert work is not None
    ours, bare = work
    assert ours == bare, "bench/bare.py no longer does what a step does: change it in the same way"
