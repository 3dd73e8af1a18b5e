"""The door to SQLite: how connections are opened, and what its errors mean to a person.

Every statement of this room runs under `translated`, so nothing of apsw leaves it. A commit
is durable (WAL, synchronous=FULL) and foreign keys are enforced on every connection.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import apsw

from codencer.errors import (
    CodencerError,
    Conflict,
    InvalidInput,
    LedgerFailed,
    NotFound,
    StorageFailed,
    TooLarge,
)

BUSY_MILLISECONDS = 5_000
"""How long a statement waits for another process's lock; the daemon itself has one writer."""
LARGEST_WAL_BYTES = 64 * 1024 * 1024
"""A log that a burst made longer than this is cut when it starts again."""


def connect_writer(path: Path) -> apsw.Connection:
    """Open an existing file for writing, in WAL mode.

    Raises:
        LedgerFailed, StorageFailed: it cannot be.
    """
    with translated(path):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            _harden(connection)
            if connection.execute("PRAGMA journal_mode = WAL").get != "wal":
                raise StorageFailed(
                    f"the ledger at {path} cannot use a write-ahead log on this file system; nothing was "
                    "written. Set db_path to a local disk."
                )
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {LARGEST_WAL_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection


def connect_reader(path: Path) -> apsw.Connection:
    """Open the ledger read-only, beside a writer or alone."""
    return _connect_uri(path, "mode=ro")


def connect_apart(path: Path) -> apsw.Connection:
    """Open the ledger read-only without locks, leaving no file of SQLite's beside it.

    Sound only while nobody writes. A log left by a crash is read too; its index is kept in this
    process's memory, which exclusive locking asks for. Without a log, SQLite must not look for
    one, because it would make it.
    """
    log = path.with_name(f"{path.name}-wal")
    if not (log.exists() and log.stat().st_size):
        return _connect_uri(path, "mode=ro&immutable=1")
    connection = _connect_uri(path, "mode=ro&vfs=unix-none")
    with translated(path):
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection


def connect_offline(path: Path) -> apsw.Connection:
    """Open the ledger read-only, whether or not somebody writes, on any disk."""
    connection = connect_reader(path)
    try:
        with translated(path):
            connection.execute("PRAGMA application_id").fetchone()
    except StorageFailed:
        # Read-only media: SQLite cannot make its shared memory there, and nobody can write.
        connection.close()
        return connect_apart(path)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_memory() -> apsw.Connection:
    """Open an empty database in memory."""
    connection = apsw.Connection(":memory:")
    _harden(connection)
    return connection


def _connect_uri(path: Path, parameters: str) -> apsw.Connection:
    with translated(path):
        connection = apsw.Connection(
            f"file:{quote(str(path.absolute()))}?{parameters}",
            flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
        )
        _harden(connection)
        return connection


def _harden(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into ours, chained."""
    try:
        yield
    except UnicodeError as problem:
        raise InvalidInput(
            "the text holds characters that are not valid Unicode (a lone surrogate); nothing was written"
        ) from problem
    except apsw.Error as problem:
        raise translate(problem, path) from problem
    except OSError as problem:
        raise storage_failed(problem, path) from problem


def storage_failed(problem: OSError, path: Path) -> StorageFailed:
    """Describe an error of the file system at `path`."""
    return StorageFailed(
        f"{path} cannot be used: {problem.strerror or problem}. What was recorded before is untouched; free "
        "space or mend the permissions, then try again."
    )


def translate(problem: apsw.Error, path: Path) -> CodencerError:
    """Return our error for one of SQLite's, telling what is left and what to do."""
    if isinstance(problem, apsw.ConstraintError):
        return _constraint(problem)
    if isinstance(problem, apsw.TooBigError):
        return TooLarge("the text is larger than the ledger can hold (1 GB); nothing was written")
    for kinds, error, text in _MEANINGS:
        if isinstance(problem, kinds):
            return error(f"{' '.join(text.split()).format(path=path)} (SQLite: {problem})")
    return LedgerFailed(f"the ledger at {path} refused a statement; nothing was written (SQLite: {problem})")


_MEANINGS: tuple[tuple[tuple[type[apsw.Error], ...], type[CodencerError], str], ...] = (
    (
        (apsw.FullError,),
        StorageFailed,
        """The disk that holds the ledger {path} is full: this was not recorded, what was recorded
        before is intact. Free some space and try again.""",
    ),
    (
        (apsw.ReadOnlyError, apsw.PermissionsError),
        StorageFailed,
        """The ledger {path} cannot be written to: the file, its directory or the file system is
        read-only. Nothing was changed; mend the permissions and try again.""",
    ),
    (
        (apsw.CantOpenError,),
        StorageFailed,
        """The ledger {path} cannot be opened. Nothing was changed; check that it and its directory
        exist and that you may write to them.""",
    ),
    (
        (apsw.IOError,),
        StorageFailed,
        """The disk failed to read or write the ledger {path}: this was not recorded. Check the disk
        (dmesg) before you go on.""",
    ),
    (
        (apsw.CorruptError, apsw.NotADBError, apsw.FormatError),
        LedgerFailed,
        """The ledger {path} is damaged or is not a ledger. Nothing was changed; keep the file, and put
        a backup of it (*.bak beside it, if there is one) in its place.""",
    ),
    (
        (apsw.BusyError, apsw.LockedError, apsw.ProtocolError),
        LedgerFailed,
        """Another process holds the lock of the ledger {path}: this was not recorded. Find out which
        one has the file open, end it, and try again.""",
    ),
    (
        (apsw.NoMemError,),
        StorageFailed,
        "There is not enough memory to use the ledger {path}: this was not recorded.",
    ),
)


def _constraint(problem: apsw.ConstraintError) -> CodencerError:
    extended = getattr(problem, "extendedresult", None)  # Set on every error, but not in the stubs.
    if extended in (apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_PRIMARYKEY):
        return Conflict(f"the record already has one of these, so nothing was written ({problem})")
    if extended == apsw.SQLITE_CONSTRAINT_FOREIGNKEY:
        return NotFound(
            "this belongs to a run, step or attempt that is not in the record; nothing was written"
        )
    return LedgerFailed(f"an event does not fit the record, so nothing was written ({problem})")
