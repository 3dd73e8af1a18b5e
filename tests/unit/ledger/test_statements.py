"""The SQL files: split into statements, and complete."""

import pytest

from codencer.ledger.migrate import shipped
from codencer.ledger.statements import PROJECTIONS, QUERIES, blocks, split
from codencer.model.event import EventKind


def test_every_kind_of_event_has_its_projection_and_no_other() -> None:
    assert set(PROJECTIONS) == {kind.value for kind in EventKind}


def test_a_projection_reads_nothing_but_its_event() -> None:
    for kind, statements in PROJECTIONS.items():
        for statement in statements:
            lowered = statement.lower()
            assert not any(word in lowered for word in ("now", "random", "datetime", "unixepoch")), kind
            assert statement.startswith(("INSERT INTO", "UPDATE")), kind


def test_statements_end_where_sql_says_they_end() -> None:
    text = "-- a comment; with a semicolon\nSELECT ';' -- and here\n, 1;\n\nSELECT 2;"
    assert len(split(text)) == 2
    with pytest.raises(ValueError, match="no end"):
        split("SELECT 1")


def test_blocks_are_named_once() -> None:
    assert blocks("-- name: a\nSELECT 1;\n-- name: b\n") == {"a": ("SELECT 1;",), "b": ()}
    with pytest.raises(ValueError, match="same name"):
        blocks("-- name: a\nSELECT 1;\n-- name: a\nSELECT 1;")


def test_migrations_are_numbered_and_queries_loaded() -> None:
    assert [each.number for each in shipped()] == list(range(1, len(shipped()) + 1))
    assert QUERIES["head"].startswith("SELECT")
