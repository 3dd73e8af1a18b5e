"""The kinds of values: text is converted by strict words, typed values are never converted."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.config.dotenv import parse
from codencer.config.kinds import Choice, Host, Kind, Name, Number, Switch, Text
from codencer.config.settings import SETTINGS
from codencer.errors import InvalidInput

KINDS: list[Kind] = [Switch(), Number(0, 10), Choice(("a", "b")), Text(), Name(), Host()]


@given(st.text(max_size=12), st.sampled_from(KINDS))
def test_text_is_converted_or_refused(text: str, kind: Kind) -> None:
    value, problem = outcome(kind, text)
    assert problem.isprintable()
    if not problem:
        assert kind.check(value) == value


def outcome(kind: Kind, text: str) -> tuple[object, str]:
    try:
        return kind.check(kind.parse(text)), ""
    except InvalidInput as problem:
        return None, str(problem)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [None, [], {}, 1.5, b"x"])
def test_values_of_other_types_are_refused(kind: Kind, value: object) -> None:
    with pytest.raises(InvalidInput):
        kind.check(value)


@pytest.mark.parametrize("text", ["1_0", "0x1", "1.0", "", "1e1", "٣", "9" * 30])
def test_numbers_are_plain_digits(text: str) -> None:
    with pytest.raises(InvalidInput):
        Number(0, 10).parse(text)


@pytest.mark.parametrize("host", ["a b", "1.2.3.4/8", "[::1]", "u@h", "", "h\n"])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(InvalidInput):
        Host().check(host)


def test_every_setting_has_variables_of_its_own() -> None:
    names = [name for setting in SETTINGS.values() for name in setting.variables]
    assert len(names) == len(set(names))
    for setting in SETTINGS.values():
        assert setting.default is None or setting.kind.check(setting.default) == setting.default


@given(st.text(st.characters(exclude_characters="\n'\0", exclude_categories=["Cs"]), max_size=20))
def test_single_quotes_keep_a_value_word_for_word(value: str) -> None:
    entries = parse(f"A='{value}' # note".encode(), Path("x"))
    assert entries["A"].value == value


def test_a_long_line_of_spaces_takes_no_time() -> None:
    assert parse(b"A=" + b" " * 1_000_000 + b"x", Path("x"))["A"].value == "x"
