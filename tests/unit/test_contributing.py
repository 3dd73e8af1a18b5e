"""The worked examples of CONTRIBUTING.md work as they are printed there."""

import importlib.util
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from codencer.cli.group import Verb
from codencer.model.attempt import Ending, ErrorKind
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.ports import Adapter

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
ENDED = ExitRecord(reason=ExitReason.EXITED, code=0)

Example = Callable[[str], ModuleType]


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    """Import the module that the text calls `src/codencer/<place>`."""
    made = []

    def load(place: str) -> ModuleType:
        found = re.search(rf"Write `src/codencer/{place}`:\n\n   ```python\n(.*?)\n   ```", TEXT, re.DOTALL)
        assert found, f"CONTRIBUTING.md shows no {place}"
        file = tmp_path / Path(place).name
        file.write_text(textwrap.dedent(found[1]) + "\n")
        spec = importlib.util.spec_from_file_location(f"example_{file.stem}", file)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[module.__name__] = module
        made.append(module.__name__)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in made:
        del sys.modules[name]


def test_the_adapter_reads_pieces_cut_anywhere_and_believes_only_its_last_line(example: Example) -> None:
    adapter: Adapter = example("adapters/parrot.py").make("parrot", None, None)
    output = b'{"type": "message"}\nplain\n{"type": "done", "summary": "said it"}\n'
    parser, silent = adapter.parser(), adapter.parser()
    said = [event.text for byte in output for event in parser.feed(bytes([byte]))]
    assert said == output.decode().splitlines()
    outcome = parser.finish(ENDED, None)
    assert (outcome.ending, outcome.summary) == (Ending.SUCCEEDED, "said it")
    assert silent.finish(ENDED, None).error_kind is ErrorKind.MALFORMED
    assert "parrot" in adapter.probe().problem


def test_the_verb_has_the_options_that_every_verb_has(example: Example) -> None:
    verb = example("cli/uptime.py").uptime
    assert isinstance(verb, Verb)
    assert {"json", "no_autostart"} <= {
        each.name for each in verb.get_params(verb.make_context("uptime", []))
    }


def test_the_registry_and_the_tree_look_as_they_are_shown() -> None:
    package = Path(__file__).parents[2] / "src" / "codencer"
    assert (
        '    "simulation": "codencer.adapters.simulation",' in (package / "adapters/__init__.py").read_text()
    )
    assert "VERBS = {" in (package / "cli/main.py").read_text()
    assert "-- name: step.settled\n" in (package / "ledger/projections.sql").read_text()
    assert "EVENT_VERSION = " in (package / "model/event.py").read_text()
