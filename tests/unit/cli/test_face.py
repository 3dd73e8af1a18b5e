"""What is printed: tables, fields, and nothing that a terminal would obey."""

import pytest

from codencer.cli.face import Face, clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü 漢\n\tx", "plain äöü 漢\n\tx"),
        ("\x1b[2Jgone", "[2Jgone"),
        ("a\rb\x07\x9b31m", "ab31m"),
        ("right\u202eleft\u2066", "rightleft"),
    ],
)
def test_text_of_others_is_cleaned(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_table_is_aligned_and_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    Face().table(("A", "TITLE"), [("long cell", "x\ny"), ("s", "\x1b[1mz")])
    assert capsys.readouterr().out == "A          TITLE\nlong cell  x y\ns          [1mz\n"


def test_fields_leave_out_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    Face().fields([("name", "x"), ("nothing", None), ("none", ""), ("zero", 0)])
    assert capsys.readouterr().out == "name: x\nzero: 0\n"


def test_empty_listing_is_an_empty_json_list(capsys: pytest.CaptureFixture[str]) -> None:
    face = Face()
    face.json = True
    face.listing([], ("A",), [])
    assert capsys.readouterr().out == "[]\n"
