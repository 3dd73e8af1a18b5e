"""Names leave the room as text and come back as the same bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.workspace.names import quote_path, unquote_path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"src/main.py", "src/main.py"),
        ("ü/ñ".encode(), "ü/ñ"),
        (b"new\nline", "new\nline"),
        (b"\xff\t/a", r'"\377\t/a"'),
        (b'"quoted"', r'"\"quoted\""'),
        (b'in"side', 'in"side'),
        (b"back\\slash\xfe", r'"back\\slash\376"'),
    ],
)
def test_only_odd_names_are_quoted(path: bytes, text: str) -> None:
    assert quote_path(path) == text
    assert unquote_path(text) == path


@given(st.binary())
def test_any_name_comes_back(path: bytes) -> None:
    text = quote_path(path)
    assert unquote_path(text) == path
    text.encode("utf-8")
