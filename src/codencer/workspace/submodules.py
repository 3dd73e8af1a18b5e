"""Submodules of a tree, as far as the user's own repository already holds them.

A submodule's store is `<common>/modules/<name>`, its name that of the tree's `.gitmodules`.
Nothing is fetched and no agent's `.gitmodules` is ever read.
"""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from codencer.errors import GitFailed
from codencer.workspace.git import Git
from codencer.workspace.store import Store, open_store

GITLINK = "160000"


@dataclass(frozen=True, kw_only=True)
class Gitlink:
    """A path of a tree that names a commit of another repository; `store` when that is here."""

    path: bytes
    commit: str
    store: Store | None = None


def read_gitlinks(git: Git, base: str) -> list[Gitlink]:
    """Return the gitlinks in the index of `git`, which must hold the tree of `base`."""
    index = git.index
    if index is None or not _may_hold_gitlinks(index):
        return []
    found = []
    for entry in git.run("ls-files", "--stage", "-z").split(b"\0")[:-1]:
        about, _, path = entry.partition(b"\t")
        mode, commit, _stage = about.decode("ascii").split(" ")
        if mode == GITLINK:
            found.append((path, commit))
    names = _names(git, base) if found else {}
    return [
        Gitlink(path=path, commit=commit, store=_store(git.store, names.get(path), commit))
        for path, commit in found
    ]


def module_index(index: Path, path: bytes) -> Path:
    """Where the bridge keeps its own index of the submodule at `path`."""
    return index.with_name(f"{index.name}-modules") / sha256(path).hexdigest()[:20] / "index"


def _may_hold_gitlinks(index: Path) -> bool:
    """Whether the four bytes of the mode 160000 occur: listing 100,000 entries takes far longer."""
    return int(GITLINK, 8).to_bytes(4, "big") in index.read_bytes()


def _names(git: Git, base: str) -> dict[bytes, str]:
    done = git.call("config", "--blob", f"{base}:.gitmodules", "--list", "-z")
    names: dict[bytes, str] = {}
    for entry in done.stdout.split(b"\0")[:-1] if done.code == 0 else ():
        key, _, value = entry.partition(b"\n")
        if key.startswith(b"submodule.") and key.endswith(b".path"):
            names[value.rstrip(b"/")] = os.fsdecode(key[len(b"submodule.") : -len(b".path")])
    return names


def _store(owner: Store, name: str | None, commit: str) -> Store | None:
    if not name or os.path.isabs(name) or ".." in name.split("/"):
        return None
    folder = owner.common_dir / "modules" / name
    if not (folder / "objects").is_dir():
        return None
    try:
        store = open_store(
            folder, owner.bridge_dir.parent / "modules" / sha256(name.encode()).hexdigest()[:20]
        )
    except GitFailed:
        return None
    return store if Git(store).ok("cat-file", "-e", f"{commit}^{{commit}}") else None
