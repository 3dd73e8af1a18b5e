"""A short soak: random work under random faults, and nothing lost, doubled, orphaned or gone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "soak"
SECONDS_OF_FAULTS = 12


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nothing_comes_of_a_short_soak() -> None:
    words = ["--minutes", str(SECONDS_OF_FAULTS / 60), "--pace", "0.35"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("XDG")}
    done = subprocess.run(
        [sys.executable, SOAK, *words], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for number in ("lost", "duplicated", "orphaned", "work lost", "wrong"):
        assert re.search(rf"^{number} +0$", done.stdout, re.MULTILINE), done.stdout
    kills = re.search(r"^kills +(\d+)$", done.stdout, re.MULTILINE)
    assert kills is not None
    assert int(kills[1]) > 5
