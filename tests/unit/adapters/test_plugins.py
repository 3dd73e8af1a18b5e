"""Adapters of other packages: found by name, loaded late, and unable to harm anything but themselves."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codencer import adapters
from codencer.adapters.plugins import plugins
from codencer.errors import InvalidInput, LaunchFailed, NotFound
from codencer.model.attempt import AgentEventKind, Ending, ErrorKind
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.ports import Assignment
from codencer.model.step import AdapterSettings
from codencer.model.task import TaskSpec

ENDED = ExitRecord(reason=ExitReason.EXITED, code=0)

WRONG = """
import os
from codencer.adapters.command import CommandAdapter
from codencer.errors import InvalidInput
from codencer.model.attempt import AgentEvent, AgentOutcome, Ending
from codencer.model.step import AdapterSettings

class Fragile:
    resumes = "yes"
    settings = AdapterSettings(name="fragile")
    def __init__(self, how): self.how = how
    def probe(self, environ): raise KeyError("PATH")
    def launch(self, assignment): return ("fragile",)
    def parser(self):
        if self.how == "made": raise OSError("no parser today")
        return self
    def feed(self, data):
        if self.how == "fed": raise ZeroDivisionError
        return ["a line"] if self.how == "lines" else [AgentEvent(kind="message", text="x")]
    def finish(self, exit, fragment, report=None):
        if self.how == "finished": raise RuntimeError("x" * 10)
        cost = 1.5 if self.how == "decimal" else 1
        return AgentOutcome(ending=Ending.SUCCEEDED, cost_microusd=cost) if self.how != "nothing" else None

def fragile(name, settings, checkout): return Fragile(settings.model)
def picky(name, settings, checkout): raise InvalidInput("picky wants a model")
def rude(name, settings, checkout): raise SystemExit(3)
def none(name, settings, checkout): return object()
number = 7
"""


@pytest.fixture
def installed(packages: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The packages on Python's path, and nothing of them imported yet."""
    packages.add("broken", {"broken_one": "import no_such_module"}, {"broken": "broken_one:make"})
    packages.add(
        "wrong",
        {"wrong_one": WRONG},
        {name: f"wrong_one:{name}" for name in ("fragile", "picky", "rude", "none", "number", "missing")}
        | {"simulation": "wrong_one:rude", "twice": "wrong_one:none"},
    )
    packages.add("wrong-again", {}, {"twice": "wrong_one:fragile", "a name!": "wrong_one:fragile"})
    monkeypatch.syspath_prepend(packages.site)
    for name in ("codencer_heron", "broken_one", "wrong_one"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    plugins.cache_clear()
    yield packages
    plugins.cache_clear()


def fragile(how: str) -> Any:
    return adapters.load("fragile", AdapterSettings(name="fragile", model=how))


def test_a_package_is_loaded_when_its_adapter_is_asked_for(installed: Any, tmp_path: Path) -> None:
    assert {"heron", "simulation", "fragile"} <= set(adapters.names())
    assert adapters.is_known("heron")
    assert "codencer_heron" not in sys.modules
    adapter = adapters.load("heron", AdapterSettings(name="heron", program="./heron"))
    assert "codencer_heron" in sys.modules
    assert adapter.resumes
    assert "./heron" in adapter.probe({"PATH": str(tmp_path)}).problem
    assignment = Assignment(
        task=TaskSpec(goal="g"),
        prompt="p",
        **dict.fromkeys(("workspace", "task_file", "prompt_file", "result_file", "report_file"), tmp_path),
        session_id="h-1",
    )
    assert adapter.launch(assignment).argv == ("./heron", "run", "--json", "--yes", "--resume", "h-1")
    parser = adapter.parser()
    [event] = parser.feed(b'{"type": "edit", "path": "a.py"}\n')
    assert event.kind is AgentEventKind.FILE_EDIT
    assert parser.finish(ENDED, None).error_kind is ErrorKind.MALFORMED


def test_a_name_of_ours_or_of_the_user_goes_first(installed: Any) -> None:
    assert type(adapters.load("simulation")).__name__ == "SimulationAdapter"
    assert adapters.is_built_in("simulation")
    assert adapters.plugin_of("simulation") is not None
    own = adapters.load("heron", AdapterSettings(name="heron", command=("my-heron",)))
    assert own.settings.command == ("my-heron",)
    with pytest.raises(NotFound, match=r"no adapter 'stork'; there are: .*heron"):
        adapters.load("stork")


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("broken", LaunchFailed, r"package broken 1\.0 failed while being imported: ModuleNotFoundError"),
        ("missing", LaunchFailed, "failed while being imported: AttributeError"),
        ("rude", LaunchFailed, r"failed while making it: SystemExit\(3\)"),
        ("none", LaunchFailed, "is no adapter: it lacks settings, resumes, probe, launch, parser"),
        ("number", LaunchFailed, "is not a function make"),
        ("twice", LaunchFailed, r"more than one package wrong\S* 1\.0 and wrong\S* 1\.0"),
        ("picky", InvalidInput, "picky wants a model"),
        ("a name!", InvalidInput, "not usable"),
    ],
)
def test_one_that_is_broken_says_whose_fault_it_is(
    installed: Any, name: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        adapters.load(name, AdapterSettings(name=name))


def test_whatever_it_raises_later_is_an_error_of_ours(installed: Any, tmp_path: Path) -> None:
    adapter = fragile("fine")
    assert not adapter.resumes, "a word is no promise"
    with pytest.raises(LaunchFailed, match=r"looking for its agent: KeyError\('PATH'\)"):
        adapter.probe()
    with pytest.raises(LaunchFailed, match="it gave tuple, not Launch"):
        adapter.launch(None)


@pytest.mark.parametrize("how", ["made", "fed", "lines", "kind", "finished", "decimal", "nothing"])
def test_a_parser_that_fails_ends_its_attempt_as_malformed(installed: Any, how: str) -> None:
    parser = fragile(how).parser()
    events = [*parser.feed(b"a\n"), *parser.feed(b"b\n")]
    assert len(events) <= 1
    outcome = parser.finish(ENDED, None)
    assert (outcome.ending, outcome.error_kind) == (Ending.BROKEN, ErrorKind.MALFORMED)
    assert "adapter 'fragile' of package wrong 1.0 failed" in outcome.error
    late = ExitRecord(reason=ExitReason.TIMEOUT, code=None, signal=15)
    assert fragile("made").parser().finish(late, None).ending is Ending.TIMED_OUT
