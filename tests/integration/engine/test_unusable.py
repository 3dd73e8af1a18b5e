"""An agent that cannot be used fails its attempt at once, and what is known against one is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.config import load as load_config
from codencer.engine.catalogue import adapters, is_inside
from codencer.errors import Untrusted
from codencer.locate import find_repository
from codencer.model.attempt import ErrorKind
from codencer.model.step import StepState

Open = Callable[..., Any]

MOODY = """
import json, os, sys
from codencer.adapters.command import CommandAdapter
from codencer.model.launch import Launch
from codencer.model.ports import Probe

class Moody(CommandAdapter):
    def probe(self, environ):
        words = json.loads(environ["MOODY"])
        return Probe(**{**words, "warnings": tuple(words.get("warnings", ()))})
    def launch(self, assignment):
        said = f"at work: {self.settings.program or 'the usual one'}"
        return Launch(argv=(sys.executable, "-c", "import sys; print(sys.argv[1])", said))

def make(name, settings, checkout): return Moody(settings, checkout)
"""
OLD = {
    "installed": True,
    "version": "1.9",
    "verified": "2.1 to 2.4.1",
    "signed_in": True,
    "warnings": ["version 1.9 was not tried"],
}
SIGNED_OUT = {
    "installed": True,
    "version": "2.2",
    "verified": "2.1 to 2.4.1",
    "signed_in": False,
    "problem": "moody is not signed in: run `moody login`",
}
MISSING = {"installed": False, "problem": "moody was not found on PATH: install it"}


@pytest.fixture
def repo(make_repo: Callable[..., Path], tmp_path: Path) -> Path:
    """A repository whose hook takes note of having run."""
    hook = {"provisioning": {"hooks": {"post_create": f"touch {tmp_path}/hook-ran"}}}
    return make_repo({"code.txt": "broken\n", ".codencer/workspace.json": json.dumps(hook)})


@pytest.fixture
def moody(installed: Any) -> Any:
    installed.add("moody", {"moody_one": MOODY}, {"moody": "moody_one:make"})
    return installed


async def result_of(house: Any, **more: Any) -> Any:
    step = await house.run_to_end("x", is_simulation=False, adapter_profile="moody", **more)
    return await house.engine.result(step.id)


@pytest.mark.parametrize(
    ("probe", "kind"),
    [(SIGNED_OUT, ErrorKind.AUTH), (MISSING, ErrorKind.CRASH)],
    ids=["signed-out", "missing"],
)
async def test_it_fails_before_anything_is_done_for_it(
    repo: Path,
    tmp_path: Path,
    open_engine: Open,
    moody: Any,
    monkeypatch: pytest.MonkeyPatch,
    probe: dict[str, Any],
    kind: ErrorKind,
) -> None:
    monkeypatch.setenv("MOODY", json.dumps(probe))
    async with open_engine(repo) as house:
        result = await result_of(house)
        [attempt] = await house.engine.attempts(result.step_id)
    assert result.state is StepState.FAILED_ADAPTER
    assert result.agent.error_kind is kind
    assert str(probe["problem"]) in result.summary
    assert result.retryable
    assert (attempt.workspace, attempt.launch) == (None, None)
    assert not (tmp_path / "hook-ran").exists()


async def test_a_base_that_was_awaited_is_still_found_by_a_later_try(
    repo: Path, open_engine: Open, moody: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOODY", json.dumps(MISSING))
    async with open_engine(repo) as house:
        first = await house.submit("simulate: write code.txt fixed")
        failed = await result_of(house, base=f"step:{first.id}")
        assert failed.state is StepState.FAILED_ADAPTER
        step = await house.settled(await house.engine.retry(failed.step_id, "t", adapter="simulation"))
        result = await house.engine.result(step.id)
        begun = await house.engine.result(first.id)
    assert step.state is StepState.COMPLETED
    assert result.base_commit == begun.snapshot_commit


async def test_what_is_known_against_it_is_in_the_result(
    repo: Path, open_engine: Open, moody: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOODY", json.dumps(OLD))
    async with open_engine(repo) as house:
        result = await result_of(house)
    assert result.state is StepState.COMPLETED
    assert result.adapter_version == "1.9"
    assert result.warnings[0] == "version 1.9 was not tried"


def test_the_catalogue_says_all_of_it(repo: Path, moody: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def row(probe: dict[str, Any]) -> dict[str, Any]:
        monkeypatch.setenv("MOODY", json.dumps(probe))
        rows = {each["name"]: each for each in adapters(load_config(find_repository(repo)))}
        assert rows["simulation"]["usable"]
        return rows["moody"]

    old = row(OLD)
    assert (old["usable"], old["version_verified"], old["signed_in"]) == (True, False, True)
    assert old["warnings"] == ["version 1.9 was not tried"]
    out = row(SIGNED_OUT)
    assert (out["usable"], out["installed"], out["version_verified"]) == (False, True, True)
    assert out["signed_in"] is False
    gone = row(MISSING)
    assert (gone["usable"], gone["installed"], gone["version_verified"]) == (False, False, None)
    assert gone["source"] == "package moody 1.0"


@pytest.mark.parametrize(
    ("version", "verified", "inside"),
    [
        ("2.1", "2.1 to 2.4.1", True),
        ("2.1.0", "2.1 to 2.4.1", True),
        ("2.4.1", "2.1 to 2.4.1", True),
        ("2.4.2", "2.1 to 2.4.1", False),
        ("2.10", "2.9 to 2.11", True),
        ("2.0.9", "2.1 to 2.4.1", False),
        ("0.169.0-linux-x64", "0.169.0", True),
        ("1.0", "", None),
        ("", "1.0", None),
        ("unknown", "1.0 to 2.0", None),
        ("1.0", "any version", None),
    ],
)
def test_a_version_is_inside_a_range(version: str, verified: str, inside: bool | None) -> None:
    assert is_inside(version, verified) is inside


async def test_another_executable_in_a_file_of_the_project_waits_for_trust_and_is_then_used(
    repo: Path, open_engine: Open, moody: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOODY", json.dumps(OLD))
    (repo / ".env").write_text("# codencer\nMOODY_BINARY=/opt/moody\n")
    untrusting = {"run": "r", "is_simulation": False, "adapter_profile": "moody"}
    async with open_engine(repo) as house:
        with pytest.raises(Untrusted, match="MOODY_BINARY"):
            await house.submit("x", trust=False, **untrusting)
        trusted = await result_of(house)
        [row] = [each for each in await house.engine.adapters() if each["name"] == "moody"]
    assert trusted.agent.summary == "at work: /opt/moody"
    assert row["program"] == "/opt/moody"
    (repo / ".env").unlink()
    monkeypatch.setenv("MOODY_BINARY", "/usr/bin/moody")
    async with open_engine(repo) as house:
        step = await house.settled(await house.submit("x", trust=False, **untrusting))
        result = await house.engine.result(step.id)
    assert result.agent.summary == "at work: /usr/bin/moody"
