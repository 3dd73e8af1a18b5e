"""The hash of an event: canonical, over every column, and the same for ever."""

import hashlib
import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from codencer.errors import InvalidInput
from codencer.ledger.chain import GENESIS_HASH, body_text, event_hash

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(body=st.dictionaries(TEXT, VALUES, max_size=5), ids=st.tuples(*[st.none() | TEXT] * 3), kind=TEXT)
def test_it_is_sha256_of_the_canonical_row(
    body: dict[str, object], ids: tuple[str | None, str | None, str | None], kind: str
) -> None:
    row = {
        "seq": 3,
        "v": 1,
        "at": 5,
        "run_id": ids[0],
        "step_id": ids[1],
        "attempt_id": ids[2],
        "kind": kind,
        "body": body,
        "prev_hash": GENESIS_HASH,
    }
    expected = hashlib.sha256(json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    text = body_text(body)
    assert json.loads(text) == body
    assert event_hash(seq=3, v=1, at=5, ids=ids, kind=kind, body=text, prev_hash=GENESIS_HASH) == expected


def test_it_never_changes() -> None:
    """A changed value here breaks every ledger there is."""
    digest = event_hash(
        seq=1,
        v=1,
        at=2,
        ids=("r", None, None),
        kind="run.created",
        body='{"a":"\\u00e9"}',
        prev_hash=GENESIS_HASH,
    )
    assert digest == "24d6a5e461ba46b584acff305e7c95ed7d4fbe4f742980fe119ea2ebab289457"


@pytest.mark.parametrize(
    "body", [{"a": 1.0}, {"a": [float("inf")]}, {"\ud800": 1}, {"a": "\udfff"}, {"a": b""}]
)
def test_what_has_no_canonical_form_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        body_text(body)


def test_pairs_of_surrogates_are_text() -> None:
    assert body_text({"a": "\U0001f600"}) == '{"a":"\\ud83d\\ude00"}'
    assert body_text({"a": "\\udc80 written out"}) == '{"a":"\\\\udc80 written out"}'
