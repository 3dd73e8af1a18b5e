"""The unit that is shipped stops the daemon and nothing else, and starts something that exists."""

import shutil
import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest

from codencer.daemon.main import parser

TOP = Path(__file__).parents[2]
UNIT = TOP / "contrib" / "systemd" / "codencer@.service"


@pytest.fixture(scope="module")
def unit() -> ConfigParser:
    parsed = ConfigParser(interpolation=None, delimiters=("=",))
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys keep their case
    parsed.read_string(UNIT.read_text("utf-8"))
    return parsed


def test_stopping_the_service_leaves_supervisors_alone(unit: ConfigParser) -> None:
    assert unit["Service"]["KillMode"] == "process"
    assert unit["Service"]["KillSignal"] == "SIGTERM"
    assert unit["Service"]["OOMPolicy"] == "continue"


def test_a_daemon_that_was_killed_comes_up_again(unit: ConfigParser) -> None:
    assert unit["Service"]["Restart"] == "on-failure"


def test_it_starts_our_program_with_options_it_knows(unit: ConfigParser) -> None:
    program, *options = unit["Service"]["ExecStart"].split()
    scripts = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert Path(program).name in scripts
    given = parser().parse_args(options)
    assert str(given.repo) == "%f"
    assert given.foreground
    assert given.check is None


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_itself_accepts_it(tmp_path: Path) -> None:
    copy = tmp_path / "codencer@tmp.service"
    copy.write_text(UNIT.read_text("utf-8").replace("%h/.local/bin/codencerd", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert "codencer@" not in done.stderr, done.stderr
