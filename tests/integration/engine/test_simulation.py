"""In simulation no real agent starts, however the wish is spelled; the result says which it was."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.errors import InvalidInput
from codencer.model.step import StepState

Open = Callable[..., Any]
WriteAgent = Callable[[str, str], list[str]]


@pytest.fixture
def repo(make_repo: Callable[..., Path], write_agent: WriteAgent) -> Path:
    """A repository with the agent `toucher`, who leaves a file that only he makes."""
    top = make_repo()
    argv = write_agent("toucher", "open('real.txt', 'w').write('real')\n")
    (top / ".codencer").mkdir()
    (top / ".codencer" / "config.toml").write_text(f"[adapters.toucher]\ncommand = {json.dumps(argv)}\n")
    return top


@pytest.mark.parametrize("variable", ["ALL_ADAPTERS_SIMULATION_MODE", "TOUCHER_SIMULATION_MODE"])
@pytest.mark.parametrize(("word", "simulated"), [("yes", True), ("ON", True), ("true", True), ("off", False)])
async def test_a_simulation_is_one_in_every_spelling(
    repo: Path, open_engine: Open, monkeypatch: pytest.MonkeyPatch, variable: str, word: str, simulated: bool
) -> None:
    monkeypatch.setenv(variable, word)
    async with open_engine(repo) as house:
        step = await house.run_to_end("do it", is_simulation=False, adapter_profile="toucher")
        result = await house.engine.result(step.id)
    assert step.state is StepState.COMPLETED
    assert (result.adapter, result.requested_adapter) == ("simulation" if simulated else "toucher", "toucher")
    assert result.is_simulation is simulated
    assert [change.path for change in result.files_changed] == ["SIMULATION.md" if simulated else "real.txt"]


@pytest.mark.parametrize("variable", ["ALL_ADAPTERS_SIMULATION_MODE", "TOUCHER_SIMULATION_MODE"])
async def test_a_word_that_is_neither_yes_nor_no_starts_nothing(
    repo: Path, open_engine: Open, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "maybe")
    with pytest.raises(InvalidInput, match=variable):
        async with open_engine(repo):
            raise AssertionError("it opened")
