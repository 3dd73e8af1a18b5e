"""Every attack is tried by a real agent of the real daemon, with a sandbox and without."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.acceptance.escapes.arena import FILES, Arena, answering
from tests.acceptance.escapes.attacks import ATTACKS

from codencer.process.sandbox import Sandbox

OpenPlace = Callable[[Path, Mapping[str, str]], AbstractContextManager[Any]]
PAGE = Path(__file__).parents[3] / "docs" / "security.md"
HARMLESS = [each for each in ATTACKS if not each.fatal]
FATAL = [each for each in ATTACKS if each.fatal]


@pytest.fixture
def arena(open_place: OpenPlace, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Arena]:
    temporary = Path("/tmp") / f"escapes-{uuid4()}"
    with open_place(tmp_path, FILES) as place:
        place.env.update({"CODENCER_SANDBOX": request.param, "CODENCER_MAX_PARALLEL": "4"})
        made = Arena(place, ATTACKS, temporary)
        try:
            with answering(made.facts["user_socket"], made.secrets["socket"]):
                made.open()
                yield made
        finally:
            made.close()
            temporary.unlink(missing_ok=True)


def succeeded(arena: Arena, level: str) -> set[str]:
    """Try them all, those that end what others need at the end; the names of those that work."""
    steps = {each: arena.start(each) for each in HARMLESS}
    results = {each: arena.settle(step) for each, step in steps.items()}
    got = {each.name for each, result in results.items() if each.got(arena, result)}
    for each in FATAL:
        results[each] = arena.settle(arena.start(each))
        if each.got(arena, results[each]):
            got.add(each.name)
    assert {each.name: result["trust_level"] for each, result in results.items()} == dict.fromkeys(
        (each.name for each in ATTACKS), level
    )
    return got


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("arena", ["bwrap"], indirect=True)
def test_in_a_sandbox_every_attack_is_stopped(sandbox: Sandbox, arena: Arena) -> None:
    assert succeeded(arena, "sandboxed") == set()


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("arena", ["none"], indirect=True)
def test_without_one_exactly_those_on_the_page_succeed(arena: Arena) -> None:
    got = succeeded(arena, "plain")
    expected = {each.name for each in ATTACKS if each.plain}
    depends = {each.name for each in ATTACKS if each.privileged}
    assert got - depends == expected - depends
    assert got <= expected


def test_the_page_lists_them_all() -> None:
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (.+?) \| stopped \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    words = {(True, False): "not stopped", (True, True): "depends", (False, False): "stopped"}
    assert rows == [(each.name, each.about, words[each.plain, each.privileged]) for each in ATTACKS]
    assert len({each.name for each in ATTACKS}) >= 30
