"""The suite itself, on agents that are quick: it passes a good one and finds what is wrong with a bad one."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from codencer.errors import InvalidInput, NotFound
from codencer.testing.conformance.cases import NAMES
from codencer.testing.conformance.driver import Options, run
from codencer.testing.conformance.profile import Fact, Profile, load, parse, shipped
from codencer.testing.conformance.report import Report, Verdict, total

pytestmark = pytest.mark.timeout(240)

MakeProfile = Callable[..., Profile]

AN_ERROR_IS_A_CRASH = "\n".join(
    f'[expect.{case}]\nerror_kinds = ["crash"]\nbecause = "A plain command says no more than its exit code."'
    for case in ("error-401", "error-429", "error-500", "error-529", "malformed", "cut-off")
)


def of(profile: Profile, names: Sequence[str]) -> Report:
    return run(profile, Options(names=tuple(names), limit_seconds=4), lambda _: None)


def problems(report: Report) -> dict[str, str]:
    return {each.name: "; ".join(each.problems) for each in report.cases if each.verdict is Verdict.FAILED}


def test_a_plain_command_that_asks_a_model_passes(plain: MakeProfile) -> None:
    """All but those that wait for a limit, which `simulation` shows, and the permission it never asks for."""
    names = [name for name in NAMES if name not in ("hang", "timeout", "refused", "asked", "parallel")]
    report = of(plain(more=AN_ERROR_IS_A_CRASH), names)
    assert problems(report) == {}
    assert report.count(Verdict.PASSED) == len(names)


def test_the_scripted_agent_passes() -> None:
    report = of(load("simulation", NAMES), ["edit", "hang", "timeout", "parallel", "refused"])
    assert problems(report) == {}
    assert total([report]) == "4 passed, 0 failed, 1 skipped"
    assert report.version


LIAR = "import sys; sys.stdin.read(); print('Done as scripted: everything.')"
LITTERER = """
import os, subprocess, sys
sys.path.insert(0, {folder!r})
open("litter.txt", "w").write("mine")
import plain_agent
plain_agent.main(sys.argv[1])
"""


def test_an_agent_that_lies_is_found_out(plain: MakeProfile, tmp_path: Path) -> None:
    (tmp_path / "liar.py").write_text(LIAR)
    report = of(plain(tmp_path / "liar.py"), ["edit", "error-401", "cancel"])
    found = problems(report)
    assert "the state is failed_validation, not completed" in found["edit"]
    assert "the state is completed, not failed_adapter" in found["error-401"]
    assert "it never came to its work" in found["cancel"]
    assert not report.good


def test_an_agent_that_drops_files_of_its_own_is_found_out(plain: MakeProfile, tmp_path: Path) -> None:
    (tmp_path / "litterer.py").write_text(LITTERER.format(folder=str(Path(__file__).parent)))
    found = problems(of(plain(tmp_path / "litterer.py"), ["edit"]))
    assert "'litter.txt': 'A'" in found["edit"]


def test_what_a_profile_claims_is_checked(plain: MakeProfile) -> None:
    claims = replace(plain(), tells=(Fact.TOKENS, Fact.SESSION))
    found = problems(of(claims, ["edit"]))
    assert "it did not tell its session" in found["edit"]
    assert "it did not tell its tokens" in found["edit"]


def test_an_agent_that_is_not_here_is_never_passed(plain: MakeProfile) -> None:
    report = of(replace(plain(), program="no-such-program"), ["edit", "shell"])
    assert {each.verdict for each in report.cases} == {Verdict.NOT_RUN}
    assert total([report]) == "0 passed, 0 failed, 2 skipped"


def test_the_command_ends_with_what_it_found(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    words = [sys.executable, "-P", "-m", "codencer.testing.conformance", "simulation"]
    done = subprocess.run(
        [*words, "--case", "dash-goal", "--report", str(report)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed"
    [document] = json.loads(report.read_bytes())
    assert [(case["name"], case["verdict"]) for case in document["cases"]] == [("dash-goal", "passed")]
    done = subprocess.run([*words[:-1], "nobody"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no profile 'nobody'" in done.stderr


@pytest.mark.parametrize("name", shipped())
def test_every_profile_shipped_can_be_read(name: str) -> None:
    profile = load(name, NAMES)
    assert profile.adapter == name
    assert profile.about.endswith(".")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("adapter = 1", "adapter: expected text"),
        ('adapter = "a"\nnonsense = 1', "nonsense: unknown key"),
        ('adapter = "a"\n[skips]\nno-such = "It cannot."', "there is no case no-such; known: "),
        ('adapter = "a"\n[skips]\nedit = "it cannot"', "each reason is a sentence"),
        ('adapter = "a"\n[expect.edit]\nstates = ["timeout"]', "expect.edit.because: missing"),
        ("adapter = ", "Invalid value"),
    ],
)
def test_a_profile_that_does_not_fit_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        parse(text, "mine.toml", NAMES)


def test_a_profile_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFound, match="simulation"):
        load("/no/such.toml", NAMES)
