"""Documents of untrusted origin: exact values, exact lines, and bounds that hold."""

import json
import time
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.engine.intake.documents import read_document
from codencer.engine.intake.outline import LONGEST_KEY, MAX_BYTES, MAX_DEPTH
from codencer.errors import InvalidInput, MalformedInput, TooLarge

Kind = Literal["yaml", "json"]

keys = st.text(max_size=6)
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | keys,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(values, st.sampled_from([None, 1]), st.booleans())
def test_json_reads_as_the_standard_parser_reads_it(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found = read_document(text, "json").value
    assert found == value
    assert json.dumps(found) == json.dumps(value)


@given(st.text(alphabet='{}[]",:tru0-9.eE \n\\u', max_size=30))
def test_json_accepts_exactly_what_the_standard_parser_does(text: str) -> None:
    try:
        expected = json.loads(text, object_pairs_hook=_no_repeats)
    except ValueError:
        with pytest.raises(InvalidInput):
            read_document(text, "json")
    else:
        assert read_document(text, "json").value == expected


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("repeated")
    return dict(pairs)


@given(st.text(max_size=60))
def test_no_text_does_worse_than_an_error(text: str) -> None:
    kinds: tuple[Kind, ...] = ("yaml", "json")
    for kind in kinds:
        assert fault(text, kind).partition(":")[0].isdigit()


def fault(text: str, kind: Kind) -> str:
    try:
        read_document(text, kind)
    except InvalidInput as problem:
        return str(problem)
    return "0: none"


YAML = """\
goal: |
  first
  second
title: 'yes'   # quoted
validations:
  - name: unit
    command: [pytest, -q]
  - {name: lint,
     command: make lint}
"""
JSON = """{"goal": "x",
 "validations": [
  {"name": "unit",
   "command": ["pytest",
     "-q"]},
  {"name": "lint"}
 ]}"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("goal", 1),
        ("title", 4),
        ("validations", 5),
        ("validations.0", 6),
        ("validations.0.command.1", 7),
        ("validations.1.name", 8),
        ("validations.1.command", 9),
        ("validations.1.missing.key", 8),
        ("missing", 1),
    ],
)
def test_lines_of_yaml(path: str, line: int) -> None:
    assert read_document(YAML, "yaml").line(path) == line


@pytest.mark.parametrize(
    ("path", "line"), [("goal", 1), ("validations.0.command.1", 5), ("validations.1.name", 6), ("nope", 1)]
)
def test_lines_of_json(path: str, line: int) -> None:
    assert read_document(JSON, "json").line(path) == line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("'true'", "true"),
        ("", None),
        ("~", None),
        ("null", None),
        ("nULL", "nULL"),
        ("12", 12),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        ("=", "="),
        ("9" * 5000, "9" * 5000),
        ("!!str 12", "12"),
        ("! 12", "12"),
    ],
)
def test_plain_words_of_yaml(text: str, value: object) -> None:
    found = read_document(f"k: {text}", "yaml").value
    assert found == {"k": value}
    assert isinstance(found, dict)
    assert type(found["k"]) is type(value)


def test_keys_are_text() -> None:
    assert read_document("1: a\ntrue: b\n~: c", "yaml").value == {"1": "a", "true": "b", "~": "c"}


def test_an_alias_is_what_it_repeats() -> None:
    text = "a: &x {k: [1]}\nb: *x\nc: [*x, *x]\n"
    assert read_document(text, "yaml").value == {
        "a": {"k": [1]},
        "b": {"k": [1]},
        "c": [{"k": [1]}, {"k": [1]}],
    }


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        ("yaml", "a: 1\nb: 2\na: 3", "3: a: the key is given twice (first in line 1)"),
        ("yaml", "a:\n  - b: 1\n    b: 2", "3: a.0.b: the key is given twice (first in line 2)"),
        ("yaml", 'a: 1\n"a": 3', "2: a: the key is given twice"),
        ("json", '{"a": 1,\n "\\u0061": 2}', "2: a: the key is given twice (first in line 1)"),
        ("yaml", "a: 'x", "not valid YAML"),
        ("yaml", "a: b: c", "1: not valid YAML"),
        ("yaml", "\n\ta: 1", "2: not valid YAML"),
        ("yaml", "a: 1\n---\nb: 1", "2: a second document begins here"),
        ("yaml", "a: !!python/object/apply:os.system [id]", "1: tags such as"),
        ("yaml", "a: !!int 1", "1: tags such as"),
        ("yaml", "a: !!set {x}", "1: tags such as"),
        ("yaml", "[a]: 1", "1: a key must be plain text"),
        ("yaml", "*a : 1", "1: a key must be plain text"),
        ("yaml", "a: &x [*x]", "1: the alias *x names no finished anchor"),
        ("yaml", "a: *x", "1: the alias *x"),
        ("yaml", "a: 1\nb: \x07", "2: the character U+0007 is not allowed"),
        ("yaml", "a: \0", "1: the character U+0000 is not allowed"),
        ("yaml", "a: \ud800", "1: not valid Unicode"),
        ("yaml", "# nothing\n", "1: the document is empty"),
        ("yaml", " \n", "1: the document is empty"),
        ("json", "", "1: the document is empty"),
        ("json", '{"a": 1,}', "1: not valid JSON: expected a key in double quotes"),
        ("json", '{"a" 1}', "1: not valid JSON: expected a colon after the key"),
        ("json", "[1\n2]", "2: not valid JSON: expected a comma or ]"),
        ("json", "[1,]", "1: not valid JSON: expected a value"),
        ("json", "[NaN]", "1: not valid JSON: expected a value"),
        ("json", "[01]", "1: not valid JSON: expected a comma or ]"),
        ("json", '["a\nb"]', "1: not valid JSON: a string is not closed"),
        ("json", '["\\x"]', "1: not valid JSON: Invalid"),
        ("json", "{}\n{}", "2: not valid JSON: something follows the end"),
        ("json", "['a']", "1: not valid JSON: expected a value"),
        ("json", "9" * 100, "1: not valid JSON: the number is too long"),
        ("json", "[1, 2", "1: not valid JSON: expected a comma or ]"),
    ],
)
def test_what_does_not_parse_says_where(kind: Kind, text: str, problem: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        read_document(text, kind)
    assert problem in str(caught.value)


BILLION = "a0: &a0 [x, x, x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 4)}]\n" for number in range(1, 40)
)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("yaml", "x" * (MAX_BYTES + 1)),
        ("json", " " * (MAX_BYTES + 1)),
        ("yaml", "é" * (MAX_BYTES // 2 + 1)),
        ("yaml", "[" * 1_000_000),
        ("yaml", "- " * 1_000_000),
        ("yaml", "{a: " * 1_000_000),
        ("yaml", BILLION),
        ("yaml", "[" + "[]," * 1_000_000),
        ("json", "[" * 1_000_000),
        ("json", '{"a":' * 800_000),
        ("json", "[" + "1," * 2_000_000),
        ("json", json.dumps({"k" * 100_000: [1] * 50_000})),
        ("yaml", json.dumps({"k" * (LONGEST_KEY + 1): 1})),
    ],
    ids=lambda value: value[:12],
)
def test_no_document_grows_without_bound(kind: Kind, text: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidInput) as caught:
        read_document(text, kind)
    assert isinstance(caught.value, TooLarge) or "simple key" in str(caught.value)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_the_depth_that_is_allowed(kind: Kind) -> None:
    assert read_document("[" * MAX_DEPTH + "]" * MAX_DEPTH, kind).value
    with pytest.raises(TooLarge):
        read_document("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), kind)


def test_the_depth_of_an_alias_counts() -> None:
    deep = "[" * 20 + "]" * 20
    with pytest.raises(TooLarge, match="nested"):
        read_document(f"a: &a {deep}\nb: {'[' * 20}*a{']' * 20}", "yaml")


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_a_byte_order_mark_is_no_part_of_the_text(kind: Kind) -> None:
    assert read_document('\ufeff{"a": 1}', kind).value == {"a": 1}
