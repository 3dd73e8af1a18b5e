"""Asking the record without a daemon, on one committed moment; nothing is changed or made."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from codencer.errors import NotFound
from codencer.ledger.connection import connect_offline, translated
from codencer.ledger.migrate import newer, schema_version, shipped
from codencer.ledger.queries import Queries

T = TypeVar("T")


def look_up(path: Path, fn: Callable[[Queries], T]) -> T:
    """Return what `fn` finds in the ledger at `path`, which may be in use meanwhile.

    Raises:
        NotFound: there is no ledger. IncompatibleVersion: a newer Codencer wrote it.
        LedgerFailed, StorageFailed: it cannot be read.
    """
    if not path.exists():
        raise NotFound(f"there is no ledger at {path}")
    with closing(connect_offline(path)) as connection:
        version, current = schema_version(connection, path), shipped()[-1].number
        if version > current:
            raise newer(path, version, current)
        with translated(path):
            connection.execute("BEGIN")
        return fn(Queries(connection, path))
