"""Symbolic links that lead out of the repository: what they lead to is in no tree.

Told by their text alone, whatever lies on any disk.
"""

from typing import Final

from codencer.errors import GitFailed
from codencer.workspace.diff import raw_entries
from codencer.workspace.git import Git, quote_path
from codencer.workspace.objects import read_objects
from codencer.workspace.store import Store

SYMLINK: Final = "120000"


def leading_out(store: Store, base: str, tree: str) -> list[str]:
    """Return the links that `tree` has anew or changed and that lead out, each as `path -> target`.

    Raises:
        GitFailed: one of the trees, or a link, is not there any more.
    """
    links = [entry for entry in raw_entries(store, base, tree) if entry.new_mode == SYMLINK]
    targets = read_objects(Git(store), (entry.new_id for entry in links))
    found = []
    for entry, target in zip(links, targets, strict=True):
        if target is None:
            raise GitFailed(f"Not every link of the tree {tree} is in {store.common_dir}.")
        if leads_out(entry.path, target):
            found.append(f"{quote_path(entry.path)} -> {quote_path(target)}")
    return found


def leads_out(path: bytes, target: bytes) -> bool:
    """Whether a link at this path of a tree may lead to where the tree has no files.

    `..` may only be at the beginning: behind a name it is the folder above wherever that name leads.
    """
    if target.startswith(b"/"):
        return True
    parts = [part for part in target.split(b"/") if part not in (b"", b".")]
    ups = next((at for at, part in enumerate(parts) if part != b".."), len(parts))
    names = parts[ups:]
    return ups > path.count(b"/") or b".." in names or any(name.lower() == b".git" for name in names)
