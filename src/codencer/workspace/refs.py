"""The bridge's refs in the user's repository: everything under `refs/codencer/`, nothing else.

They are written by git itself, so every ref format works, and a ref is only ever created where
none was (creation decides races) or deleted.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from codencer.failpoints import reach
from codencer.workspace.git import Git
from codencer.workspace.store import Store

NAMESPACE = "refs/codencer/"


def create_refs(store: Store, refs: Mapping[str, str]) -> None:
    """Create all of these refs (name to object id) or none.

    Raises:
        GitFailed: one exists already, or its object is missing.
    """
    reach("refs.create:before")
    _update(store, (f"create {_checked(name)}\0{commit}\0" for name, commit in refs.items()))
    reach("refs.create:after")


def delete_refs(store: Store, names: Iterable[str]) -> None:
    """Delete these refs; one that is absent is no error."""
    _update(store, (f"delete {_checked(name)}\0\0" for name in names))


def read_ref(store: Store, name: str) -> str | None:
    """Return the object id behind one ref of the user's repository, None when there is none."""
    done = _door(store).call("rev-parse", "--verify", "--quiet", "--end-of-options", name)
    found = done.stdout.decode("ascii", "replace").strip()
    return found if done.code == 0 and store.is_object_id(found) else None


def list_refs(store: Store, prefix: str) -> dict[str, str]:
    """Return every ref below `prefix` with its object id."""
    listing = _door(store).text("for-each-ref", "--format=%(objectname) %(refname)", prefix)
    return {name: commit for commit, _, name in (line.partition(" ") for line in listing.splitlines())}


def beyond(store: Store, commits: Sequence[str], tips: Iterable[str]) -> set[str]:
    """Return those of `commits` that none of `tips` is or has as an ancestor.

    Raises:
        GitFailed: an object is missing, so nothing can be said.
    """
    known = [f"^{tip}" for tip in dict.fromkeys(tips)]
    if not known or not commits:
        return set(commits)
    asked = "\n".join([*commits, *known, ""]).encode()
    listing = _door(store).run("rev-list", "--stdin", stdin=asked)
    return set(commits) & set(listing.decode("ascii", "replace").split())


def has_commit(store: Store, commit: str) -> bool:
    """Whether the object store still has this commit."""
    return _door(store).ok("cat-file", "-e", f"{commit}^{{commit}}")


def forget_folders(store: Store) -> None:
    """Remove the folders that deleted refs leave behind, where they are empty."""
    top = store.common_dir / NAMESPACE
    for folder in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
        _remove_empty(folder)
    _remove_empty(top)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _update(store: Store, commands: Iterable[str]) -> None:
    text = "".join(commands)
    if text:
        _door(store).run("update-ref", "--stdin", "-z", stdin=text.encode())


def _door(store: Store) -> Git:
    return Git(store, git_dir=store.common_dir)


def _checked(name: str) -> str:
    if not name.startswith(NAMESPACE):
        raise ValueError(f"{name} is not a ref of the bridge")
    return name
