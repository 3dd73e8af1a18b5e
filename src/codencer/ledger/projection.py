"""Deriving the tables from events: while they are written, and again when they are replayed.

Both ways execute the statements of `projections.sql` named after the event's kind, with no
other input than the event, so a replay cannot come to another result.
"""

import json
from dataclasses import dataclass

import apsw

from codencer.errors import LedgerFailed, NotFound
from codencer.ledger.chain import body_text
from codencer.ledger.statements import PROJECTIONS
from codencer.ledger.upcast import UPCASTS, Upcasts, upcast
from codencer.model.event import EVENT_VERSION


@dataclass(frozen=True, kw_only=True)
class Fact:
    """An event as the projections see it; `body` is canonical JSON of version `v`."""

    seq: int
    v: int
    at: int
    run_id: str | None
    step_id: str | None
    attempt_id: str | None
    kind: str
    body: str


def project(
    connection: apsw.Connection,
    fact: Fact,
    *,
    upcasts: Upcasts = UPCASTS,
    current: int = EVENT_VERSION,
) -> None:
    """Apply one event to the derived tables, inside the caller's transaction.

    Raises:
        NotFound: it is about a row that does not exist, or ids that do not belong together.
        LedgerFailed: nothing is known of its kind.
    """
    statements = PROJECTIONS.get(fact.kind)
    if statements is None:
        raise LedgerFailed(
            f"event {fact.seq} is of the kind {fact.kind}, which this Codencer does not know; nothing was "
            "changed, upgrade Codencer to read this ledger"
        )
    body = fact.body
    if fact.v != current:
        body = body_text(upcast(fact.kind, fact.v, json.loads(body), registry=upcasts, current=current))
    bindings = {
        "seq": fact.seq,
        "at": fact.at,
        "run_id": fact.run_id,
        "step_id": fact.step_id,
        "attempt_id": fact.attempt_id,
        "body": body,
    }
    for statement in statements:
        connection.execute(statement, bindings)
        if statement.startswith("UPDATE") and connection.changes() == 0:
            named = ", ".join(each for each in (fact.run_id, fact.step_id, fact.attempt_id) if each)
            raise NotFound(
                f"{fact.kind} is about something that is not in the record ({named or 'no id given'}); "
                "nothing was written"
            )
