"""Every error Codencer raises on purpose, in one tree.

    CodencerError
    ├── InvalidInput              the request is well formed but wrong
    │   ├── MalformedInput        the request cannot be parsed
    │   ├── TooLarge
    │   └── NotSupported          understood, and refused until it works
    ├── NotFound
    ├── Conflict                  the record is in a state that forbids it
    │   └── IllegalTransition
    ├── Unauthorized
    ├── Forbidden
    │   └── Untrusted             a command of the project that the user has not trusted
    ├── WaitTimeout               the wait ended, the work goes on
    └── Infrastructure            the bridge or the machine failed
        ├── Busy
        ├── DaemonUnreachable
        ├── IncompatibleVersion
        ├── StorageFailed         disk full, read-only, I/O error
        ├── LedgerFailed
        ├── GitFailed
        ├── LandingCutOff         neither done nor undone, and carried out again
        └── LaunchFailed

Each class carries what the faces need: the machine name (`code`), the exit code of the
CLI and the HTTP status. No other place maps errors to numbers.
"""

from typing import ClassVar


class CodencerError(Exception):
    """Base of all; the message says what happened, what is left where, what to do next."""

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 5
    http_status: ClassVar[int] = 500

    @property
    def message(self) -> str:
        return str(self)


class InvalidInput(CodencerError):
    code, exit_code, http_status = "invalid_input", 1, 422


class MalformedInput(InvalidInput):
    code, http_status = "malformed_input", 400


class TooLarge(InvalidInput):
    code, http_status = "too_large", 413


class NotSupported(InvalidInput):
    code = "not_supported"


class NotFound(CodencerError):
    code, exit_code, http_status = "not_found", 1, 404


class Conflict(CodencerError):
    code, exit_code, http_status = "conflict", 1, 409


class IllegalTransition(Conflict):
    code = "illegal_transition"


class Unauthorized(CodencerError):
    code, exit_code, http_status = "unauthorized", 1, 401


class Forbidden(CodencerError):
    code, exit_code, http_status = "forbidden", 1, 403


class Untrusted(Forbidden):
    code = "untrusted"


class WaitTimeout(CodencerError):
    code, exit_code, http_status = "wait_timeout", 3, 504


class Infrastructure(CodencerError):
    code = "infrastructure"


class Busy(Infrastructure):
    code, http_status = "busy", 503


class DaemonUnreachable(Infrastructure):
    code, http_status = "daemon_unreachable", 503


class IncompatibleVersion(Infrastructure):
    code = "incompatible_version"


class StorageFailed(Infrastructure):
    code, http_status = "storage_failed", 503


class LedgerFailed(Infrastructure):
    code, http_status = "ledger_failed", 503


class GitFailed(Infrastructure):
    code = "git_failed"


class LandingCutOff(Infrastructure):
    code = "landing_cut_off"


class LaunchFailed(Infrastructure):
    code = "launch_failed"
