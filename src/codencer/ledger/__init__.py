"""The record: a hash chain of events, the tables derived from it, and the evidence files.

The only room that speaks SQL. Every change is an event appended in a transaction by the one
writer thread; runs, steps, attempts, artifacts, validations and gates are derived from the
events in the same transaction, and replaying the events derives them again exactly.
"""

from codencer.ledger.artifacts import ArtifactStore, Sealable
from codencer.ledger.audit import VerifyReport, verify
from codencer.ledger.ledger import Ledger
from codencer.ledger.offline import look_up
from codencer.ledger.queries import Queries
from codencer.ledger.rebuild import rebuild
from codencer.ledger.transaction import Transaction
from codencer.ledger.writers import writing_process

__all__ = [
    "ArtifactStore",
    "Ledger",
    "Queries",
    "Sealable",
    "Transaction",
    "VerifyReport",
    "look_up",
    "rebuild",
    "verify",
    "writing_process",
]
