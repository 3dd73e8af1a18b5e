"""How an agent's part ended, in words: what an adapter concludes and a policy sees."""

from enum import StrEnum


class Ending(StrEnum):
    """How the agent's part ended: the first column of the table in `lifecycle.derive_state`."""

    UNPREPARED = "unprepared"
    """The bridge could not prepare it: git, disk, lock, ledger."""
    HOOK_FAILED = "hook_failed"
    BROKEN = "broken"
    """Not startable, crashed, auth, quota, malformed output."""
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """Gone without an exit record: nobody knows what it did."""
    DECLINED = "declined"
    """It ended, and says it failed or refused."""
    SUCCEEDED = "succeeded"


class ErrorKind(StrEnum):
    NONE = "none"
    AUTH = "auth"
    QUOTA = "quota"
    OVERLOAD = "overload"
    REFUSED = "refused"
    PERMISSION_DENIED = "permission_denied"
    LIMIT = "limit"
    CRASH = "crash"
    MALFORMED = "malformed"
