"""Writing a patch where the user wants it: whole and under a name that was free, or not at all."""

import os
from contextlib import suppress
from filecmp import cmp
from pathlib import Path
from tempfile import TemporaryDirectory

from codencer.errors import Conflict, GitFailed, InvalidInput
from codencer.failpoints import reach
from codencer.model.landing import Landing
from codencer.workspace.diff import patch
from codencer.workspace.index_lock import sync
from codencer.workspace.store import Store
from codencer.workspace.users import find_checkout


def write_patch(store: Store, landing: Landing, *, again: bool) -> None:
    """Write the file; `again`: an earlier try may have been cut off, or even be done.

    Raises:
        Conflict: there is a file of this name. InvalidInput: none can be written there.
    """
    path = Path(landing.target)
    draft = path.with_name(f".codencer-{landing.mark}")
    try:
        if again:
            draft.unlink(missing_ok=True)
            if is_patch(store, path, landing.base, landing.tree):
                return
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        reach("land.draft:after")
        patch(store, landing.base, landing.tree, draft)
        draft.chmod(0o666 & ~_umask(store, landing))
        sync(draft)
        reach("land.patch:before")
        os.link(draft, path)
        reach("land.patch:after")
    except FileExistsError:
        raise Conflict(f"{path} was made by somebody else meanwhile and was left as it is.") from None
    except OSError as cause:
        raise InvalidInput(f"The patch cannot be written to {path}: {cause.strerror}.") from cause
    finally:
        with suppress(OSError):
            draft.unlink()
            sync(path.parent)


def is_patch(store: Store, path: Path, base: str, tree: str) -> bool:
    """Whether the file is there and holds exactly this difference."""
    if path.is_symlink() or not path.is_file():
        return False
    with TemporaryDirectory(dir=store.bridge_dir, prefix="landing-") as folder:
        patch(store, base, tree, Path(folder, "patch"))
        return cmp(path, Path(folder, "patch"), shallow=False)


def _umask(store: Store, landing: Landing) -> int:
    """As for any other new file of the user's; private where that cannot be told any more."""
    with suppress(GitFailed, InvalidInput):
        return find_checkout(store, Path(landing.checkout)).umask
    return 0o077
