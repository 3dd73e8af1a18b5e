"""Each built-in adapter through the whole house, with a fake in the place of its agent.

The fake is found where a package manager would have put the real one, so its version is read off the files,
too. `make test-agents` does the same, and much more, with the real agents.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.agents.catalogue import Program
from tests.agents.suite import adapters

from codencer.adapters import names
from codencer.testing.conformance.cases import NAMES
from codencer.testing.conformance.driver import Options, run
from codencer.testing.conformance.profile import Speaks, load, shipped
from codencer.testing.conformance.report import Verdict

pytestmark = pytest.mark.timeout(240)

TESTS = Path(__file__).parents[1]
FAKES = {
    False: (Path(__file__).with_name("fake_agent.py"), TESTS / "captures"),
    True: (Path(__file__).with_name("fake_acp_agent.py"), TESTS / "unit" / "adapters" / "acp" / "samples"),
}
"""The fake that prints, and the one that is spoken with; each with what real agents said."""
CASES = ("edit", "long-goal", "dash-goal", "refused", "asked", "error-401", "cancel")


def install(program: Program, name: str, executable: str, root: Path) -> Path:
    """Lay out a fake as npm or pip would; returns the folder of its executable."""
    fake, told = FAKES["acp" in name]
    text = f'#!/bin/sh\nexec {sys.executable} -I {fake} {name} {told} "$@"\n'
    if program.pypi:
        package, version = program.pypi[0].split("==")
        about = root / "lib/python3.11/site-packages" / f"{package.replace('-', '_')}-{version}.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Name: {package}\nVersion: {version}\n")
        file = root / "bin" / executable
    else:
        package, _, version = program.npm[0].rpartition("@")
        folder = root / "node_modules" / package
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"name": package, "version": version}))
        file = folder / executable
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    way = root / "way"
    way.mkdir()
    if not program.pypi:
        (way / executable).symlink_to(file)
    return file.parent if program.pypi else way


@pytest.mark.parametrize("name", sorted(adapters()))
def test_an_adapter_does_what_it_should_with_a_fake(name: str, tmp_path: Path) -> None:
    profile = load(name, NAMES)
    program = adapters()[name]
    way = install(program, name, profile.program, tmp_path)
    fake = replace(
        profile,
        speaks=Speaks.TOKEN,
        settings={**profile.settings, "env": ("SCRIPTED_MODEL",), "read": (str(TESTS),)},
        environment={**profile.environment, "SCRIPTED_MODEL": "$url"},
    )
    report = run(fake, Options(names=CASES, path=(str(way),)), lambda _: None)
    failed = {each.name: each.problems for each in report.cases if each.verdict is Verdict.FAILED}
    assert failed == {}
    skipped = {each.name for each in report.cases if each.verdict is Verdict.SKIPPED}
    assert skipped == {
        each for each in CASES if each in profile.skips or (each == "asked" and not profile.asks)
    }
    pin = (*program.npm, *program.pypi)[0]
    assert report.version == pin.replace("==", "@").rpartition("@")[2]


def test_every_built_in_adapter_has_a_profile_and_a_program_to_try_it_on() -> None:
    assert set(names()) == set(shipped())
    assert set(names()) == {*adapters(), "simulation"}
