"""Rows become dataclasses of the model, or an error that says the row is wrong."""

import pytest

from codencer.errors import LedgerFailed
from codencer.ledger.rows import build, nested
from codencer.model.artifact import Artifact
from codencer.model.gate import Gate, GateState
from codencer.model.step import Base

ROW: dict[str, object] = {
    "id": "gate_1",
    "run_id": "one",
    "step_id": "step_1",
    "attempt_id": "att_1",
    "state": "open",
    "snapshot_tree": "t",
    "validated_tree": "v",
    "reasons": '["a","b"]',
    "created_at": 1,
    "updated_at": 2,
    "actor": None,
    "note": None,
    "seq": 12,
}


def test_columns_are_converted_by_the_fields_type() -> None:
    gate = build(Gate, ROW)
    assert (gate.state, gate.reasons, gate.actor) == (GateState.OPEN, ("a", "b"), None)


@pytest.mark.parametrize(
    "change", [{"state": "ajar"}, {"reasons": "[1]"}, {"reasons": "no json"}, {"reasons": "{}"}]
)
def test_a_row_that_does_not_fit_is_reported(change: dict[str, object]) -> None:
    with pytest.raises(LedgerFailed, match="gate"):
        build(Gate, {**ROW, **change})
    with pytest.raises(LedgerFailed):
        build(Artifact, ROW)


def test_the_same_text_is_decoded_once() -> None:
    text = '{"ref":"HEAD"}'
    assert nested(Base, text) is nested(Base, text)
    assert nested(Base, text) == Base(ref="HEAD")
    large = '{"ref":"' + "x" * 100_000 + '"}'
    assert nested(Base, large) is not nested(Base, large)
