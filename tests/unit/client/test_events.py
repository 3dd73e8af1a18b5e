"""The event stream's bytes, cut anywhere."""

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.client.events import parse

TEXT = (
    ": events\n\n"
    'id: 3\nevent: run.created\ndata: {"seq": 3, "body": {"x": "ü\\n"}}\n\n'
    ": still here\n\n"
    'id: 4\nevent: step.settled\ndata: {"seq": 4}\n\n'
    "id: 5\nevent: cut off"
).encode()


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(place % len(data) for place in places), len(data)]
    yield from (data[a:b] for a, b in pairwise(edges))


@given(st.lists(st.integers(min_value=0, max_value=10_000)))
def test_events_do_not_depend_on_where_the_bytes_are_cut(places: list[int]) -> None:
    found = list(parse(cut(TEXT, places)))
    assert [(each.seq, each.kind) for each in found] == [(3, "run.created"), (4, "step.settled")]
    assert found[0].record["body"]["x"] == "ü\n"


def test_a_record_that_is_not_json_is_an_error() -> None:
    with pytest.raises(json.JSONDecodeError):
        list(parse(iter([b"id: 1\nevent: x\ndata: {\n\n"])))
