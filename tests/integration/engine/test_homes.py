"""A home folder of a step's own: where it lies, who sees it, and that it goes with proof only."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codencer.model.attempt import ErrorKind
from codencer.model.step import StepState

Open = Callable[..., Any]

HERON: dict[str, Any] = {"is_simulation": False, "adapter_profile": "heron"}
XDG = {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"}


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    top = make_repo({"code.txt": "broken\n"})
    (top / ".codencer").mkdir()
    (top / ".codencer/config.toml").write_text("[adapters.heron]\nisolated_home = true\n")
    return top


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that is not below a temporary one, as a user's state folder is not."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no /dev/shm to put it into")
    folder = Path(tempfile.mkdtemp(prefix="cdr-", dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


async def test_one_home_for_all_attempts_of_a_step_and_it_goes_with_the_last_snapshot(
    repo: Path,
    tmp_path: Path,
    elsewhere: Path,
    open_engine: Open,
    installed: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HERON_KEY", "for the agent")
    notes = tmp_path / "notes"
    goal = installed.goal(
        notes,
        [["write", "code.txt", "half"], ["end", "Half."]],
        [["write", "code.txt", "fixed"], ["end", "Whole."]],
        [["write", "code.txt", "other"], ["end", "Alone."]],
    )
    where = {"workspace_root": str(elsewhere), "trust": "always"}
    async with open_engine(repo, **where, sandbox="none") as house:
        step = await house.run_to_end(goal, validations=[{"name": "v", "command": "false"}], **HERON)
        await house.engine.retry(step.id, "test")
        step = await house.settled(step)
        other = await house.run_to_end(goal, **HERON)
        given = [json.loads((notes / f"{number}.json").read_text()) for number in range(3)]
        [home, same, another] = [Path(each["env"]["HOME"]) for each in given]
        assert home == same != another
        assert (home.name, another.name) == (step.id, other.id)
        assert home.is_relative_to(elsewhere)
        assert not home.is_relative_to(repo)
        for folder in (home, home.parent):
            assert folder.stat().st_mode & 0o777 == 0o700
        for each in given:
            assert all(each["env"][name].startswith(f"{each['env']['HOME']}/.") for name in XDG)
            assert each["env"]["HERON_KEY"] == "for the agent"
        assert given[1]["argv"][-2:] == ["--resume", "h-0"], "it is found again"
        kept = [line for line in await house.engine.gc(False, 0) if "/homes/" in line]
        assert kept == [
            f"removed  {home}: no snapshot of step {step.id} is kept, and nothing has happened to it since",
            f"kept     {another}: a snapshot of its step is kept: it was never landed",
        ]
        assert not home.exists()
        assert another.is_dir()
        (another.parent / "stranger").mkdir()
        await house.engine.land(other.id, "t", form="branch", target="b", checkout=str(repo), force=False)
        planned = [line for line in await house.engine.gc(True) if "/homes/" in line]
        assert any("a snapshot of its step is kept: younger than 30 days" in line for line in planned)
        assert any("stranger: the ledger does not know its step" in line for line in planned)


async def test_a_home_in_a_temporary_folder_is_refused_before_anything_is_done(
    repo: Path, open_engine: Open, installed: Any, tmp_path: Path
) -> None:
    async with open_engine(repo, trust="always") as house:
        step = await house.run_to_end(installed.goal(tmp_path / "notes"), **HERON)
        result = await house.engine.result(step.id)
    assert step.state is StepState.FAILED_ADAPTER
    assert result.agent.error_kind is ErrorKind.CRASH
    for words in ("isolated_home", "/tmp", "workspace_root"):
        assert words in step.summary
    assert list((tmp_path / "notes").iterdir()) == []
