"""What is installed: every file of the package, the four commands, and locks that name no registry."""

import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=TOP,
        capture_output=True,
        check=True,
    )
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    ours = {
        path.relative_to(TOP / "src").as_posix()
        for path in (TOP / "src" / "codencer").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in wheel.namelist() if name.startswith("codencer/")}
    assert packed == ours
    assert {Path(name).suffix for name in packed} >= {".py", ".sql", ".yaml", ".typed"}


def test_it_installs_four_commands(wheel: zipfile.ZipFile) -> None:
    place = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    cli, daemon = "codencer.cli.main:main", "codencer.daemon.__main__:main"
    commands = dict(line.split(" = ") for line in wheel.read(place).decode().splitlines() if " = " in line)
    assert commands == {"codencer": cli, "codencerd": daemon, "orchestratorctl": cli, "orchestratord": daemon}


def test_its_metadata_has_version_licence_and_python(wheel: zipfile.ZipFile) -> None:
    import codencer

    place = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    metadata = Parser().parsestr(wheel.read(place).decode())
    assert metadata["Version"] == codencer.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"


def pins(name: str) -> dict[str, str]:
    """Package to version of a lock file."""
    found = {}
    for line in (TOP / "requirements" / name).read_text().splitlines():
        package, _, version = line.partition("==")
        found[package] = version
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned_and_both_locks_agree() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    run, dev = pins("run.txt"), pins("dev.txt")
    needed = [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
    assert {normal(re.split(r"[<>=!~ ]", each)[0]) for each in needed} <= run.keys()
    tools = [each for each in project["dependency-groups"]["dev"] if isinstance(each, str)]
    assert {normal(re.split(r"[<>=!~ ]", each)[0]) for each in tools} <= dev.keys()
    assert run.items() <= dev.items()
    assert all(run.values())
