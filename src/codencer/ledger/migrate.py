"""Making a ledger, and bringing an older one up to date.

The schema's version is SQLite's user_version, the number of the last migration. A file is
looked at before it is opened for writing: a newer or foreign one stays byte for byte as it
is. A new ledger appears under its name only when it is complete; an older one is backed up.
"""

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import apsw

from codencer.errors import CodencerError, IncompatibleVersion, LedgerFailed
from codencer.ledger.connection import connect_apart, connect_writer, translated
from codencer.ledger.filesystem import refuse_network, sync
from codencer.ledger.statements import split

APPLICATION_ID = 0x436F6463
"""SQLite's application_id of a ledger: "Codc" in ASCII."""


@dataclass(frozen=True, kw_only=True)
class Migration:
    number: int
    statements: tuple[str, ...]


@cache
def shipped() -> tuple[Migration, ...]:
    """Return the migrations of this version, by number from 1 without gaps."""
    files = sorted((Path(__file__).parent / "migrations").glob("*.sql"))
    found = tuple(
        Migration(number=int(file.name.partition("_")[0]), statements=split(file.read_text("utf-8")))
        for file in files
    )
    if [each.number for each in found] != list(range(1, len(found) + 1)):
        raise LedgerFailed("the installation is broken: the ledger's migrations have gaps; install it again")
    return found


def open_for_writing(path: Path, migrations: Sequence[Migration] | None = None) -> apsw.Connection:
    """Return a writing connection to an up-to-date ledger at `path`.

    Raises:
        IncompatibleVersion: a newer Codencer wrote it.
        LedgerFailed, StorageFailed: it is damaged, not a ledger, or cannot be kept there.
    """
    migrations = shipped() if migrations is None else migrations
    refuse_network(path)
    with translated(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists() or path.stat().st_size == 0:
            _create(path, migrations)
    with closing(connect_apart(path)) as apart:
        version = schema_version(apart, path)
    current = migrations[-1].number
    if version > current:
        raise newer(path, version, current)
    connection = connect_writer(path)
    try:
        if version < current:
            backup = back_up(connection, path, f"v{version}")
            _migrate(connection, path, migrations[version:], backup)
    except BaseException:
        connection.close()
        raise
    return connection


def schema_version(connection: apsw.Connection, path: Path) -> int:
    """Return the schema version of the ledger that `connection` has open.

    Raises:
        LedgerFailed: it is damaged or not a ledger.
    """
    with translated(path):
        application = connection.execute("PRAGMA application_id").get
        version = connection.execute("PRAGMA user_version").get
    if application != APPLICATION_ID:
        raise LedgerFailed(
            f"{path} is a database, but not a ledger of Codencer. It was not touched; move it away or set "
            "db_path to another file."
        )
    return int(version)


def newer(path: Path, version: int, current: int) -> IncompatibleVersion:
    """The refusal of a ledger that a newer Codencer has written."""
    return IncompatibleVersion(
        f"the ledger at {path} was written by a newer Codencer (schema {version}, this one knows {current}). "
        "It was not touched; upgrade Codencer, or go back to a backup of the ledger."
    )


def _create(path: Path, migrations: Sequence[Migration]) -> None:
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        # SQLite would apply the changes of the lost ledger to the new one.
        raise LedgerFailed(
            f"the ledger {path} is gone, but its log {log} is there. Nothing was changed; put the ledger "
            "back, or move the log away to begin a new record."
        )
    unfinished = path.with_name(f"{path.name}.new")
    for suffix in ("", "-wal", "-shm", "-journal"):
        unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
    _make_private(unfinished)
    connection = connect_writer(unfinished)
    try:
        _migrate(connection, unfinished, migrations, None)
    finally:
        connection.close()
    _put_in_place(unfinished, path)


def _migrate(
    connection: apsw.Connection, path: Path, migrations: Sequence[Migration], backup: Path | None
) -> None:
    """Run all of `migrations` or none."""
    kept = f"; the ledger is as it was, with a copy at {backup}" if backup else ""
    try:
        with translated(path):
            # A table can only be rebuilt with foreign keys off; they are checked before the commit.
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("BEGIN IMMEDIATE")
            for migration in migrations:
                for statement in migration.statements:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {migration.number}")
            if connection.execute("PRAGMA foreign_key_check").fetchone():
                raise LedgerFailed("rows would point to rows that do not exist")
            connection.execute("COMMIT")
            connection.execute("PRAGMA foreign_keys = ON")
    except CodencerError as problem:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise type(problem)(
            f"the ledger at {path} could not be brought up to date{kept}: {problem}"
        ) from problem


def back_up(connection: apsw.Connection, path: Path, label: str) -> Path:
    """Write a complete, durable copy beside the ledger and return its path.

    Raises:
        StorageFailed, LedgerFailed: it could not be written; nothing of it is left.
    """
    backup = path.with_name(f"{path.name}.{label}.bak")
    unfinished = backup.with_name(f"{backup.name}.new")
    with translated(unfinished):
        unfinished.unlink(missing_ok=True)
        try:
            _make_private(unfinished)
            connection.execute("VACUUM INTO ?", (str(unfinished),))
            _put_in_place(unfinished, backup)
        finally:
            unfinished.unlink(missing_ok=True)
    return backup


def _make_private(path: Path) -> None:
    # SQLite gives its -wal and -shm the mode of the database.
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def _put_in_place(source: Path, target: Path) -> None:
    """Rename durably; SQLite itself does not fsync what VACUUM INTO writes."""
    sync(source)
    os.replace(source, target)
    sync(target.parent)
