"""The quickstart works as it is printed: its files are written and its commands run, in order."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "quickstart.md"
BLOCK = re.compile(r"(?:`([\w./]+)`:[^`]*)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLDER = "/tmp/quick"
WITHOUT_SUCCESS = "codencer step retry"
"""The one block that ends with another code than 0, as the page says."""


@pytest.fixture
def folder(place: Any, tmp_path: Path) -> Iterator[Path]:
    """Where the reader works instead of FOLDER; `codencer` is on the path as the page wants it."""
    launcher = tmp_path / "bin" / "codencer"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(place.command())} "$@"\n')
    launcher.chmod(0o755)
    place.env["PATH"] = f"{launcher.parent}:{Path(sys.executable).parent}:{place.env['PATH']}"
    working = tmp_path / "quick"
    yield working
    if working.exists():
        place.run("stop", "--kill", cwd=working)


def test_the_quickstart_works_word_for_word(place: Any, folder: Path) -> None:
    text = PAGE.read_text("utf-8")
    assert FOLDER in text
    said = []
    for name, language, body in BLOCK.findall(text.replace(FOLDER, str(folder))):
        if language:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(body)
            continue
        done = subprocess.run(
            ["bash", "-c", body],
            cwd=folder if folder.exists() else place.top,
            env=place.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == (2 if body.startswith(WITHOUT_SUCCESS) else 0), (body, done)
        said += re.findall(r"^state: +(\w+)$", done.stdout, re.MULTILINE)
    failed = "failed_validation"
    assert said == ["completed", "created", "completed", "completed", failed, failed, failed]
    assert (folder / "prices.py").read_text() == "def total(prices):\n    return sum(prices)\n"
