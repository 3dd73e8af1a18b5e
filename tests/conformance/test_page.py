"""docs/conformance.md names every key of a profile, every case and every option, and no other."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from codencer.testing.conformance.cases import NAMES
from codencer.testing.conformance.main import main
from codencer.testing.conformance.profile import AtWork, Expectation, Fact, Profile, Speaks

FILE = Path(__file__).parents[2] / "docs" / "conformance.md"
PAGE = re.sub(r"^```.*?^```$", "", FILE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`]+)`")


def section(heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def first_cells(text: str) -> list[str]:
    return [
        word
        for line in text.splitlines()
        if line.startswith("| `")
        for word in CODE.findall(line.split("|")[1])
    ]


def test_every_key_of_a_profile_is_described() -> None:
    text = section("The profile")
    assert first_cells(text) == [each.name for each in fields(Profile) if each.name != "expect"] + ["expect"]
    words = set(CODE.findall(text))
    assert {*Fact, *Speaks, *AtWork, *(each.name for each in fields(Expectation))} <= words


def test_every_case_is_described() -> None:
    assert sorted(first_cells(section("Cases"))) == sorted(NAMES)


def test_the_options_that_are_named_exist_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    real = set(re.findall(r"--[a-z]+", capsys.readouterr().out.partition("cases:")[0])) - {"--help"}
    named = {word.split()[0] for word in CODE.findall(section("Cases")) if word.startswith("--")}
    assert named == real
