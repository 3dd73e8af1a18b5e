"""The folders of state, settings and sockets, after the XDG base directory specification.

State that belongs to a repository lies in its common git directory, so that it survives
`git clean` and moves with the clone; workspaces, trust and the registry lie with the user;
sockets lie in a private folder with a short path. A relative XDG variable is invalid by the
specification and treated as absent.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from codencer.errors import Forbidden, InvalidInput, StorageFailed
from codencer.locate.files import make_private

LONGEST_SOCKET_PATH = 99
"""Bytes; the kernel takes 107, and a client may prefix a few of its own."""

_SOCKET_NAME_CHARACTERS = 12
"""The end of an instance id: 60 bits, all of them random."""


def state_dir(common_dir: Path) -> Path:
    """The instance's own state: ledger, artifacts, launch folders, log."""
    return common_dir / "codencer"


def make_state_dir(common_dir: Path) -> Path:
    """Make `state_dir` (0700) if needed and return it."""
    return make_private(state_dir(common_dir))


def user_state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's state: workspaces, trash, trust, the registry of running daemons."""
    return _xdg(environ, "XDG_STATE_HOME", ".local/state")


def user_config_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's own settings: `config.toml` and the 0600 file `env`."""
    return _xdg(environ, "XDG_CONFIG_HOME", ".config")


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Where sockets go: the user's runtime directory, else a folder in the system's temporary one."""
    given = environ.get("XDG_RUNTIME_DIR", "")
    # After `sudo` the variable may still name another user's folder.
    if os.path.isabs(given) and _owned_folder(given):
        return Path(given) / "codencer"
    return _temporary_runtime_dir(environ)


def make_runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Make `runtime_dir` if needed, private to this user, and return it.

    Raises:
        Forbidden: it is there and is not a 0700 folder of this user's.
        StorageFailed: it cannot be made.
    """
    return _make_and_check(runtime_dir(environ))


def socket_path(instance_id: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The Unix socket of an instance, in a private folder that is made if needed.

    Raises:
        Forbidden: that folder is not private to this user.
        InvalidInput: no folder with a short enough path was found.
    """
    name = f"{instance_id[-_SOCKET_NAME_CHARACTERS:]}.sock"
    for folder in (runtime_dir(environ), _temporary_runtime_dir(environ), _private_name(Path("/tmp"))):
        path = folder / name
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            _make_and_check(folder)
            return path
    raise InvalidInput(f"{path} is too long for a Unix socket: set XDG_RUNTIME_DIR to a shorter folder")


def _xdg(environ: Mapping[str, str], variable: str, default: str) -> Path:
    given = environ.get(variable, "")
    if os.path.isabs(given):
        return Path(given) / "codencer"
    home = environ.get("HOME", "")
    base = Path(home) if os.path.isabs(home) else Path("~").expanduser()
    return base / default / "codencer"


def _private_name(folder: Path) -> Path:
    return folder / f"codencer-{os.geteuid()}"


def _temporary_runtime_dir(environ: Mapping[str, str]) -> Path:
    given = environ.get("TMPDIR", "")
    return _private_name(Path(given if os.path.isabs(given) and os.path.isdir(given) else "/tmp"))


def _owned_folder(path: str) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _make_and_check(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass  # somebody made it: whether it was us is checked below
    except OSError as problem:
        raise StorageFailed(f"{folder} cannot be made: {problem.strerror}") from problem
    status = os.lstat(folder)
    private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o077 == 0
    if not private or status.st_uid != os.geteuid():
        raise Forbidden(
            f"{folder} is not a folder that only you can use (it must be yours, with mode 0700): "
            "remove it or set XDG_RUNTIME_DIR to a folder of your own"
        )
    return folder
