"""Real programs with their own test suites: a fix and a false claim for each, four at a time, and
what a comparison with the base says of a change that breaks some of it.

The source distributions of three small pure-Python packages are fetched when the test runs.
"""

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from codencer.validation.report import read_report
from codencer.validation.verdict import FAILING

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(240)]

FETCH_SECONDS = 120


@dataclass(frozen=True)
class Package:
    """A package, and one line of it with the mistake that is made there."""

    name: str
    version: str
    module: str
    right: str
    wrong: str


PACKAGES = (
    Package("inflection", "0.5.1", "inflection/__init__.py", "m.group(1).upper()", "m.group(1).lower()"),
    Package(
        "idna",
        "3.10",
        "idna/core.py",
        'if unicodedata.category(label[0])[0] == "M":',
        'if unicodedata.category(label[0])[0] == "Z":',
    ),
    Package(
        "toolz",
        "1.0.0",
        "toolz/itertoolz.py",
        "    return itertools.islice(seq, n)\n",
        "    return itertools.islice(seq, n + 1)\n",
    ),
)

AGENT = """\
import pathlib, sys, time
hall = pathlib.Path({hall!r})
(hall / {who!r}).touch()
deadline = time.monotonic() + 60
while len(list(hall.iterdir())) < 4:  # nobody goes on until four are at work
    if time.monotonic() > deadline:
        sys.exit("fewer than four agents ran at the same time")
    time.sleep(0.02)
source = pathlib.Path({module!r})
text = source.read_text()
source.write_text(text.replace({wrong!r}, {right!r}, 1) if {fixing} else text + "\\n# fixed\\n")
print("Done, every test passes.")
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The unpacked source distributions by package name."""
    folder = tmp_path_factory.mktemp("sources")
    wanted = [f"{package.name}=={package.version}" for package in PACKAGES]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-binary",
        ":all:",
        *wanted,
    ]
    try:
        fetched = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the package registry did not answer in time")
    if fetched.returncode != 0:
        pytest.skip(f"the packages cannot be fetched: {fetched.stderr.strip()[-300:]}")
    for archive in folder.glob("*.tar.gz"):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    return {package.name: folder / f"{package.name}-{package.version}" for package in PACKAGES}


def _files(root: Path) -> Iterator[tuple[str, str]]:
    for path in root.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(root)), path.read_text(encoding="utf-8")


def _broken(package: Package, source: Path) -> dict[str, str]:
    files = dict(_files(source))
    assert files[package.module].count(package.right) == 1, "the package is not the one this test knows"
    files[package.module] = files[package.module].replace(package.right, package.wrong)
    return files


def _task(agent: str) -> dict[str, Any]:
    suite = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return {
        "goal": "Make the test suite pass.",
        "step_id": agent,
        "adapter_profile": agent,
        "validations": [{"name": "suite", "command": suite, "env": {"PYTHONDONTWRITEBYTECODE": "1"}}],
    }


def test_verdicts_on_real_packages_are_right_in_all_six_cases(
    sources: dict[str, Path], open_place: Callable[..., Any], tmp_path: Path
) -> None:
    hall = tmp_path / "hall"
    hall.mkdir()
    with ExitStack() as places:
        steps = []
        for package in PACKAGES:
            files = _broken(package, sources[package.name])
            place = places.enter_context(open_place(tmp_path / package.name, files))
            tables = []
            for fixing in (True, False):
                who = f"{package.name}-{'fixer' if fixing else 'claimer'}"
                agent = tmp_path / f"{who}.py"
                agent.write_text(
                    AGENT.format(
                        hall=str(hall),
                        who=who,
                        module=package.module,
                        wrong=package.wrong,
                        right=package.right,
                        fixing=fixing,
                    )
                )
                argv = json.dumps([sys.executable, str(agent)])
                table = f"command = {argv}\nwrite = [{json.dumps(str(hall))}]\n"
                tables.append(f"[adapters.{who.rpartition('-')[2]}]\n{table}")
            config = place.top / ".codencer" / "config.toml"
            config.parent.mkdir()
            config.write_text("\n".join(tables))
            assert place.run("trust").code == 0
            place.json("run", "start", "fix")
            for agent_name in ("fixer", "claimer"):
                submit = ("submit", "fix", "--task-json", "-")
                step = place.json(*submit, stdin=json.dumps(_task(agent_name)))
                steps.append((package.name, agent_name, place, step["id"]))
        verdicts: dict[tuple[str, str], str] = {}
        for name, agent_name, place, step_id in steps:
            place.run("step", "wait", step_id)
            verdicts[name, agent_name] = place.json("step", "result", step_id)["state"]
    expected = {"fixer": "completed", "claimer": "failed_validation"}
    assert verdicts == {
        (package.name, agent): state for package in PACKAGES for agent, state in expected.items()
    }


PLANTED = """\
import pathlib


def test_red_since_ever():
    assert False


def test_of_moods():
    seen = pathlib.Path("moods.log")
    first = not seen.exists()
    seen.touch()
    assert not first
"""
SUITE = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=report.xml")
BREAKER = """\
import pathlib
source = pathlib.Path({module!r})
text = source.read_text()
source.write_text(text.replace({right!r}, {wrong!r}, 1) if {breaking} else text + "\\n# tidied\\n")
"""


def _failing(files: dict[str, str], folder: Path) -> tuple[str, ...]:
    """The tests that fail, as the package's own suite says when nothing of ours runs it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    subprocess.run(SUITE, cwd=folder, capture_output=True, check=False)
    found = read_report((folder / "report.xml").read_bytes())
    shutil.rmtree(folder)
    return tuple(sorted(name for name, state in found.items() if state in FAILING))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_comparison_names_what_was_broken_and_nothing_else(
    sources: dict[str, Path], open_place: Callable[..., Any], tmp_path: Path, package: Package
) -> None:
    files = dict(_files(sources[package.name]))
    truth = _failing(_broken(package, sources[package.name]), tmp_path / "truth")
    assert truth, "the mistake breaks something"
    files |= {"test_planted.py": PLANTED, ".gitignore": "report.xml\nmoods.log\n__pycache__/\n"}
    check = {
        "name": "suite",
        "command": [*SUITE, "test_planted.py", "."],
        "report": "junit:report.xml",
        "baseline": True,
        "retries": 1,
        "clean": True,
        "env": {"PYTHONDONTWRITEBYTECODE": "1"},
    }
    with open_place(tmp_path / "place", files) as place:
        tables = []
        for name, breaking in (("breaker", True), ("tidier", False)):
            agent = tmp_path / f"{name}.py"
            known = {"module": package.module, "right": package.right, "wrong": package.wrong}
            agent.write_text(BREAKER.format(**known, breaking=breaking))
            tables.append(f"[adapters.{name}]\ncommand = {json.dumps([sys.executable, str(agent)])}\n")
        (place.top / ".codencer").mkdir()
        (place.top / ".codencer" / "config.toml").write_text("\n".join(tables))
        assert place.run("trust").code == 0
        place.json("run", "start", "compare")
        for name, state, broken in (("tidier", "completed", ()), ("breaker", "failed_validation", truth)):
            task = {"goal": "Tidy up.", "adapter_profile": name, "validations": [check]}
            step = place.json("submit", "compare", "--task-json", "-", stdin=json.dumps(task))
            place.run("step", "wait", step["id"])
            result = place.json("step", "result", step["id"])
            [suite] = result["validations"]
            assert result["state"] == state, result
            assert tuple(suite["newly_broken"]) == broken
            assert suite["fixed"] == []
            assert suite["still_failing"] == ["test_planted.test_red_since_ever"]
            assert suite["flaky"] == ["test_planted.test_of_moods"]
