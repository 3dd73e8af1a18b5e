"""Set-up from nothing: what is missing is named with the package to install; make knows its targets."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]
TARGETS = (
    *("setup", "build", "demo", "test", "test-agents", "check", "bench"),
    *("start", "start-sim", "stop", "doctor", "clean"),
)


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder to be the whole PATH: a shell and little else."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for tool in ("sh", "dirname", "env"):
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    return folder


def find_python(tools: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TOP / "scripts" / "python"], env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )


def old_python(tools: Path, name: str) -> None:
    script(tools / name, "#!/bin/sh\nexit 1\n")


def python_without_venv(tools: Path, name: str) -> None:
    script(
        tools / name,
        '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; *print*) echo python3.12-venv;; esac\nexit 0\n',
    )


def working_python(tools: Path, name: str) -> None:
    script(tools / name, "#!/bin/sh\nexit 0\n")


def test_without_a_recent_python_it_says_which_package_brings_one(tools: Path) -> None:
    old_python(tools, "python3")
    done = find_python(tools)
    assert done.returncode == 1
    assert "Python 3.11 or newer is missing: apt-get install python3 python3-venv" in done.stderr


def test_a_newer_python_beside_an_old_one_is_used(tools: Path) -> None:
    old_python(tools, "python3")
    working_python(tools, "python3.12")
    script(tools / "git", "#!/bin/sh\n")
    assert find_python(tools).stdout == "python3.12\n"


def test_without_venv_it_says_which_package_brings_it(tools: Path) -> None:
    python_without_venv(tools, "python3")
    done = find_python(tools)
    assert done.returncode == 1
    assert "apt-get install python3.12-venv" in done.stderr


def test_without_git_it_says_so(tools: Path) -> None:
    working_python(tools, "python3")
    done = find_python(tools)
    assert done.returncode == 1
    assert "git is missing: apt-get install git" in done.stderr


@pytest.mark.parametrize("compiler", [True, False])
def test_a_failed_installation_says_whether_a_compiler_is_missing(
    tmp_path: Path, tools: Path, compiler: bool
) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(TOP / "scripts" / "install", tmp_path / "scripts")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    script(tmp_path / ".venv" / "bin" / "python", "#!/bin/sh\nexit 1\n")
    if compiler:
        script(tools / "cc", "#!/bin/sh\n")
    done = subprocess.run(
        [tmp_path / "scripts" / "install", "lock.txt"],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the installation failed" in done.stderr
    assert ("apt-get install build-essential python3-dev" in done.stderr) is not compiler


@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_its_targets(target: str) -> None:
    done = subprocess.run(["make", "--dry-run", target], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_port_of_make_start_reaches_the_daemon() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "start"],
        cwd=TOP,
        env={**os.environ, "PORT": "8086"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'bin/codencer start --port "8086"' in done.stdout


def test_the_example_settings_are_marked_as_ours() -> None:
    assert (TOP / ".env.example").read_text().splitlines()[0] == "# codencer"
