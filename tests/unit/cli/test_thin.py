"""The command line stays thin: `step state` loads none of the daemon's libraries, and is quick."""

import subprocess
import sys

import pytest

import codencer.cli.main

HEAVY = (
    "pydantic",
    "fastapi",
    "starlette",
    "uvicorn",
    "apsw",
    "structlog",
    "rich",
    "yaml",
    "anyio",
    "http.client",
)
PROBE = """
import sys
import codencer.cli.main as cli
command = cli.root.get_command(None, {verb!r})
command = command.get_command(None, {sub!r}) if {sub!r} else command
assert command is not None
heavy = [name for name in {heavy!r} if name in sys.modules]
sys.exit(f"loaded: {{heavy}}" if heavy else 0)
"""


def loads_nothing_heavy(verb: str, sub: str | None) -> None:
    code = PROBE.format(verb=verb, sub=sub, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("verb", "sub"), [("step", "state"), ("run", "start"), ("submit", None), ("ps", None)]
)
def test_no_heavy_library_is_loaded(verb: str, sub: str | None) -> None:
    loads_nothing_heavy(verb, sub)


def test_every_verb_can_be_imported_and_has_help() -> None:
    root = codencer.cli.main.root
    context = root.make_context("codencer", [], resilient_parsing=True)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str(), name
