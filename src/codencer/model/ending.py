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
    HALTED = "halted"
    """The bridge stopped it: a budget was used up, or it left its scope."""
    SUCCEEDED = "succeeded"


class HaltCause(StrEnum):
    """Why the bridge stopped an agent at work."""

    STEP_BUDGET = "step_budget"
    """The step has used up more than its policy allows."""
    RUN_BUDGET = "run_budget"
    """Its run has used up its budget, and is to fail then."""
    RUN_PAUSED = "run_paused"
    """Its run has used up its budget, and is paused: the step goes on when the run does."""
    SCOPE = "scope"
    """It changed a path that its task does not allow, or forbids."""


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
