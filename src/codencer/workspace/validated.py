"""The tree that validations judge: the snapshot with every protected path as it is in the base.

Computed from the diff alone, by plumbing on an index of its own. A protected path that was changed,
retyped or deleted is put back, one that was added is dropped, and so is whatever stands in the way
of what is put back (a file where its folder was, a folder where it was).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from codencer.globs import Globs
from codencer.workspace.diff import GITLINK, Entry, raw_entries
from codencer.workspace.git import Git, quote_path
from codencer.workspace.lay import lay_validated
from codencer.workspace.store import Store
from codencer.workspace.users import scratch_index

__all__ = ["lay_validated", "validated_tree"]

_SYMLINK: Final = "120000"
_IGNORES_CASE: Final = re.compile(
    r"^\s*ignorecase\s*(=\s*(true|yes|on|1)\s*)?$", re.IGNORECASE | re.MULTILINE
)


def validated_tree(
    store: Store, base: str, snapshot_tree: str, protected: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """Return the validated tree and the paths that were put back, sorted.

    Args:
        protected: gitignore-style globs; case is ignored where the user's file system ignores it.

    Raises:
        InvalidInput: a glob is malformed.
    """
    if not protected:
        return snapshot_tree, ()
    globs = Globs(protected, ignore_case=ignores_case(store))
    entries = raw_entries(store, base, snapshot_tree)
    chosen = {entry.path: entry for entry in entries if _selected(globs, entry)}
    if not chosen:
        return snapshot_tree, ()
    restored = {path: entry for path, entry in chosen.items() if entry.status != "A"}
    added = [entry.path for entry in entries if entry.status == "A"]
    dropped = {path for path in added if path in chosen} | set(_in_the_way(added, restored))
    changes = [f"0 {store.zero}\t".encode() + path for path in sorted(dropped)]
    changes += [
        f"{entry.old_mode} {entry.old_id}\t".encode() + path for path, entry in sorted(restored.items())
    ]
    with scratch_index(store) as index:
        git = Git(store, index=index)
        git.run("read-tree", snapshot_tree)
        git.run("update-index", "-z", "--index-info", stdin=b"\0".join([*changes, b""]))
        # Every entry comes from an existing tree: in a partial clone its content may be elsewhere.
        tree = git.text("write-tree", "--missing-ok")
    return tree, tuple(quote_path(path) for path in sorted({*dropped, *restored}))


def _selected(globs: Globs, entry: Entry) -> bool:
    if globs.matches(entry.path):
        return True
    # A submodule is a folder, and a symlink may stand for one.
    folderish = {entry.old_mode, entry.new_mode} & {GITLINK, _SYMLINK}
    return bool(folderish) and globs.matches(entry.path + b"/")


def _in_the_way(added: Iterable[bytes], restored: Iterable[bytes]) -> Iterator[bytes]:
    """Added paths that are a folder's name, or below a file's name, of what is put back.

    Only added ones can be: anything else stood beside the restored path in the base already.
    """
    files = set(restored)
    folders = {folder for path in files for folder in _folders(path)}
    for path in added:
        if path in folders or any(folder in files for folder in _folders(path)):
            yield path


def _folders(path: bytes) -> Iterator[bytes]:
    at = path.rfind(b"/")
    while at != -1:
        yield path[:at]
        at = path.rfind(b"/", 0, at)


def ignores_case(store: Store) -> bool:
    """Whether git found, when it made the repository, that the user's file system ignores case."""
    try:
        text = (store.common_dir / "config").read_text("utf-8", "replace")
    except FileNotFoundError:
        return False
    return _IGNORES_CASE.search(text) is not None
