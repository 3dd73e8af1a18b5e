"""A launch: one supervised process tree, and the record its supervisor leaves."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Enforced by the supervisor itself; 0 means none."""

    wall_seconds: float = 0
    idle_seconds: float = 0
    output_bytes: int = 2 * 1024**3
    grace_seconds: float = 10


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What is to be started, as an adapter (or a validation, or a hook) asks for it.

    `env_names` are let through from the daemon's environment or the user's env file;
    their values are inherited and never written down. One that is missing refuses the launch;
    `env_optional` are let through when they are set, and one of these may end in `*`, which
    stands for the rest of a name. `env` holds harmless fixed values. An empty `stdin` means the
    null device. With `two_way` the agent is spoken to while it runs. `litter` are patterns
    (gitignore) of files that this agent drops for itself: they are no work, unless the base has them.
    `reads` and `writes` are what a sandbox lets it see and change besides its workspace: paths that
    begin with `~`, or with a variable of its own environment (`${NAME:-INSTEAD}`, or `${NAME}`, which
    means nothing while it is not set). One of `writes` that ends in `/` is a folder, made if missing.
    Of `copies` it gets a copy, to change as it likes: files that a program replaces instead of writing.
    """

    argv: tuple[str, ...]
    env_names: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    env_optional: tuple[str, ...] = ()
    stdin: bytes = b""
    success_exit_codes: tuple[int, ...] = (0,)
    two_way: bool = False
    litter: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """What of the file system a launch sees besides the system's own folders; all paths are absolute.

    The deepest entry above a path decides. `hidden` places are empty, `private` ones are empty folders
    of this launch alone, which it may fill, and `copied` files are copies there. Where two entries name
    the same path, the one that opens more wins. A `write` entry may have been changed by an agent before,
    so no link in it is followed.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


class TrustLevel(StrEnum):
    PLAIN = "plain"
    """Agent and bridge share a user, and everything that this user can reach."""
    SANDBOXED = "sandboxed"
    """Hook, agent and validations ran confined, each of them from its first instruction on."""


class ExitReason(StrEnum):
    EXITED = "exited"
    TIMEOUT = "timeout"
    IDLE_TIMEOUT = "idle_timeout"
    OUTPUT_LIMIT = "output_limit"
    MEMORY_LIMIT = "memory_limit"
    """Never written by a supervisor: the daemon says why it had a launch stopped."""
    STOPPED = "stopped"
    NOT_STARTED = "not_started"


@dataclass(frozen=True, kw_only=True)
class ProcessNote:
    """A process that outlived its parent's exit: killed, or beyond reach."""

    pid: int
    name: str


@dataclass(frozen=True, kw_only=True)
class ExitRecord:
    """The supervisor's last word (`exit.json`); `code` and `signal` exclude each other."""

    reason: ExitReason
    code: int | None = None
    signal: int | None = None
    error: str = ""
    duration_us: int = 0
    cpu_us: int = 0
    max_rss_bytes: int = 0
    killed: tuple[ProcessNote, ...] = ()
    survivors: tuple[ProcessNote, ...] = ()


class LaunchStatus(StrEnum):
    """What a launch folder and its lock say, to whoever looks."""

    UNCLAIMED = "unclaimed"
    ALIVE = "alive"
    ENDED = "ended"
    LOST = "lost"
    """The supervisor is gone and left no exit record."""
