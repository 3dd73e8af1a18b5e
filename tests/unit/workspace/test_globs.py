"""Globs select paths as gitignore does, on their real bytes, and are never silently empty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.errors import InvalidInput
from codencer.globs import Globs, quote_path, unquote_path


@pytest.mark.parametrize(
    ("pattern", "selected", "left"),
    [
        ("tests", ["tests", "tests/a.py", "deep/tests", "deep/tests/b"], ["tests.py", "mytests/a"]),
        ("tests/", ["tests/", "tests/a.py", "deep/tests/b"], ["tests", "deep/tests"]),
        ("*.py", ["a.py", "tests/a.py", "x.py/inside"], ["a.pyc", "py"]),
        ("/src", ["src", "src/a/b"], ["deep/src", "srcs"]),
        ("src/*.c", ["src/a.c"], ["src/deep/a.c", "deep/src/a.c"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z/inside"], ["a/bz", "z"]),
        ("**/conftest.py", ["conftest.py", "a/b/conftest.py"], ["conftest.pyc"]),
        ("docs/**", ["docs/a", "docs/a/b"], ["docs", "deep/docs/a"]),
        ("?.txt", ["a.txt", "ä.txt"], ["ab.txt", ".txt"]),
        ("[ab]x", ["ax", "deep/bx"], ["cx", "x"]),
        ("x[!a]y", ["xby"], ["xay", "x/y"]),
        (r"\#notes", ["#notes"], ["notes"]),
        (r"\!important", ["!important"], ["important"]),
        (" leading", [" leading"], ["leading"]),
        ("trailing  ", ["trailing"], ["trailing  "]),
        ("**", ["a", "a/b"], []),
    ],
)
def test_one_glob(pattern: str, selected: list[str], left: list[str]) -> None:
    globs = Globs([pattern])
    assert globs.select(selected + left) == selected


def test_the_last_match_decides() -> None:
    globs = Globs(["*.py", "!tests/*.py", "tests/keep.py"])
    assert globs.select(["a.py", "tests/a.py", "tests/keep.py"]) == ["a.py", "tests/keep.py"]
    assert Globs(["tests/", "!tests/data/"]).select(["tests/a", "tests/data/b"]) == ["tests/a"]


def test_no_globs_select_nothing() -> None:
    assert not Globs([]).matches("anything")


def test_a_newline_in_a_name_evades_nothing() -> None:
    globs = Globs(["*.sql", "tests/"])
    assert globs.matches("odd\nname/x.sql")
    assert globs.matches("odd\nname/tests/x")
    assert not globs.matches("x.sql\n")


def test_a_path_that_is_not_unicode_is_matched_on_its_bytes() -> None:
    quoted = quote_path(b"src/caf\xe9.py")
    assert quoted == '"src/caf\\351.py"'
    assert Globs(["/src"]).matches(quoted)
    assert Globs(["caf?.py"]).matches(quoted)
    assert Globs(["*.py"]).matches(b"src/caf\xe9.py")
    assert not Globs(['"*']).matches(quoted)


def test_case_is_ignored_only_when_asked() -> None:
    assert not Globs(["tests/"]).matches("Tests/x")
    assert Globs(["tests/"], ignore_case=True).matches("TESTS/x")
    assert Globs(["/Ärger"], ignore_case=True).matches("ärger")


@pytest.mark.parametrize(
    "pattern",
    [
        *("", "  ", "!", "# note", "/", "./src", "a/../b", "..", "a//b", "end\\"),
        *("[ab", "[[:alpha:]]", "[z-a]", "[a\\]b]", "[a--b]", "new\nline", "nul\0"),
    ],
)
def test_a_glob_that_could_not_work_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Globs(["*.py", pattern])
    assert repr(pattern) in str(refused.value)


@given(st.binary(min_size=1, max_size=30))
def test_quoting_is_undone(path: bytes) -> None:
    text = quote_path(path)
    assert unquote_path(text) == path
    text.encode("utf-8")


@given(st.text(alphabet="ab/\\[]!*?-^#. \n", max_size=12), st.text(alphabet="ab/\n", min_size=1, max_size=8))
def test_a_glob_is_refused_or_compiles(pattern: str, path: str) -> None:
    try:
        globs = Globs([pattern])
    except InvalidInput:
        return
    globs.matches(path)
