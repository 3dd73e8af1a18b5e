"""The bridge's refs in the user's repository: everything under `refs/codencer/`, nothing else.

They are written by git itself, so every ref format works, and a ref is only ever created where
none was (creation decides races) or deleted.
"""

from collections.abc import Iterable, Mapping

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
