"""From a work tree to a tree object: every file, by the base's ignore rules, through git's own index.

Git's index does what it is good at (what changed, filters, trees); what it would refuse or turn into
a gitlink is handled here. Symlinks are stored, never followed.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codencer.errors import GitFailed
from codencer.workspace.folders import beyond_symlinks, is_inside
from codencer.workspace.git import Git, failure, unquote_path
from codencer.workspace.ignore import combined_rules
from codencer.workspace.objects import read_objects
from codencer.workspace.settings import EXCLUDES_KEY
from codencer.workspace.staging import stage, stage_carefully, unstage
from codencer.workspace.submodules import GITLINK, Gitlink
from codencer.workspace.untracked import files_to_store, new_repositories


@dataclass(frozen=True, kw_only=True)
class Base:
    """A base commit with its tree, and its `.gitignore` at the root if it has one."""

    commit: str
    tree: str
    rules: bytes | None


@dataclass(frozen=True, kw_only=True)
class Collected:
    """`refused` names what is in the work tree and not, or not rightly, in the tree; `notes` say more."""

    tree: str
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def collect(
    git: Git, base: Base, gitlinks: Sequence[Gitlink], modules: Mapping[bytes, str], *, carefully: bool
) -> Collected:
    """Return the tree of the work tree of `git`.

    Args:
        git: has a work tree, and an index of ours that holds the base and may be changed.
        gitlinks: those of the base.
        modules: submodules already taken, path to commit; nothing below them is looked at.
        carefully: look at every file, and go on where one cannot be stored. The index must hold no times
            then, because git runs filters on entries that may be stale whenever it writes them.

    Raises:
        GitFailed: not everything could be stored, and it was not done carefully.
    """
    assert git.work_tree is not None
    assert git.index is not None
    rules = git.index.with_name("ignore")
    rules.write_bytes(base_rules(git, base.rules))
    # Without its gitlinks in the index, git lists what is really there, whoever put it there.
    _put_gitlinks(git, dict.fromkeys(link.path for link in gitlinks))
    changed, others, refused = _look(git, rules, everything=carefully)
    gone = beyond_symlinks(git.work_tree, changed)
    unstage(git, gone)
    others += new_repositories(git, changed - gone)
    new, unread = files_to_store(git, rules, [path for path in others if not _below(path, modules)])
    paths = [*sorted(changed - gone), *new]
    if not (paths or gone or gitlinks or refused or unread):
        return Collected(tree=base.tree)
    if carefully:
        refused += [*unread, *stage_carefully(git, paths)]
    else:
        refused += [*unread, *stage(git, paths)]
    kept: dict[bytes, str | None] = {
        link.path: link.commit
        for link in gitlinks
        if is_inside(git.work_tree / os.fsdecode(link.path), git.work_tree)
        and not any(_below(path, {link.path: ""}) for path in new)
    }
    _put_gitlinks(git, {**kept, **modules})
    return Collected(tree=git.text("write-tree"), refused=tuple(refused))


def _look(git: Git, rules: Path, *, everything: bool) -> tuple[set[bytes], list[bytes], list[str]]:
    """Return tracked paths that differ (or all), untracked ones, and what could not be looked at.

    An untracked path that ends in a slash is a repository of its own.
    """
    which = ("-c",) if everything else ("-m", "-d")
    done = git.call("ls-files", "-z", "-t", "-o", *which, f"--exclude-from={rules}")
    if done.code != 0:
        raise GitFailed(f"git cannot list the files of {git.work_tree}: {failure(done)}")
    changed, others = set(), []
    for entry in done.stdout.split(b"\0")[:-1]:
        tag, path = entry[:1], entry[2:]
        if tag == b"?":
            others.append(path)
        else:
            changed.add(path)
    # Git goes on after a folder it cannot open and ends with code 0; only its words tell. A tracked path it
    # cannot look at counts as changed, and storing it tells what is the matter.
    said = [line for line in failure(done).splitlines() if not line.startswith("error: cannot lstat ")]
    return changed, others, [f"not looked at: {line}" for line in said]


def base_rules(git: Git, root: bytes | None = None) -> bytes:
    """The user's ignore rules and those of the base, which the index still holds untouched.

    `root` is the content of the base's `.gitignore` at the root, when the caller knows it.
    """
    user = unquote_path(dict(git.settings).get(EXCLUDES_KEY, ""))
    assert git.index is not None
    count = git.index.read_bytes().count(b".gitignore\0")
    if count == 0:
        return combined_rules(user, {})
    # Nearly every repository has just this one. A symlink, which git would not follow, ends in no newline.
    if count == 1 and root is not None and root.endswith(b"\n"):
        return combined_rules(user, {b"": root})
    blobs = {}
    listing = git.run("--no-literal-pathspecs", "ls-files", "-s", "-z", "--", ":(glob)**/.gitignore")
    for entry in listing.split(b"\0")[:-1]:
        about, _, path = entry.partition(b"\t")
        mode, blob, _stage = about.decode("ascii").split(" ")
        if mode.startswith("100"):
            blobs[os.path.dirname(path)] = blob
    contents = read_objects(git, blobs.values())
    if None in contents:
        raise GitFailed("An ignore file of the base is missing from the repository; try `git fsck` there.")
    return combined_rules(user, {folder: text or b"" for folder, text in zip(blobs, contents, strict=True)})


def _put_gitlinks(git: Git, commits: Mapping[bytes, str | None]) -> None:
    """Set or (None) drop gitlinks in the index."""
    if commits:
        zero = git.store.zero
        lines = (
            f"{GITLINK if commit else 0} {commit or zero}\t".encode() + path + b"\0"
            for path, commit in commits.items()
        )
        git.run("update-index", "--add", "--replace", "-z", "--index-info", stdin=b"".join(lines))


def _below(path: bytes, folders: Mapping[bytes, str]) -> bool:
    """Whether a path is one of the folders (with or without a slash) or lies in one."""
    return any(path == folder or path.startswith(folder + b"/") for folder in folders)
