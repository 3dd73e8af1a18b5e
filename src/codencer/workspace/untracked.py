"""Untracked paths as git lists them, turned into the files that are stored.

A repository inside the workspace is files like any other; only its `.git` is left out. A symlink
that leads out, in the place of a folder that the base ignores, is ignored like that folder.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from codencer.errors import GitFailed
from codencer.workspace.git import Git, failure, quote_path


def files_to_store(git: Git, rules: Path, listed: Iterable[bytes]) -> tuple[list[bytes], list[str]]:
    """Return the paths of files and symlinks to store, and what could not be read.

    Args:
        rules: the ignore file that `listed` was made with.
        listed: untracked paths; a nested repository is one path that ends in a slash.
    """
    assert git.work_tree is not None
    root = os.fsencode(git.work_tree)
    files: list[bytes] = []
    links: list[bytes] = []
    nested: list[bytes] = []
    unread: list[str] = []
    for path in listed:
        if path.endswith(b"/"):
            nested += _walk(root, path.rstrip(b"/"), unread)
        elif _leads_out(root + b"/" + path):
            links.append(path)
        else:
            files.append(path)
    # Provisioning puts `node_modules` there as a symlink where the rule says `node_modules/`.
    questions = {path: path for path in nested} | {path + b"/x": path for path in links}
    ignored = {questions[each] for each in _ignored(git, rules, questions)}
    return [*files, *(path for path in [*nested, *links] if path not in ignored)], unread


def new_repositories(git: Git, changed: Iterable[bytes]) -> list[bytes]:
    """Return those tracked paths where a repository is now (with a slash): git does not list these.

    None of them may lie beyond a symlink, which would lead out of the workspace.
    """
    assert git.work_tree is not None
    root = os.fsencode(git.work_tree)
    places = (path for path in changed if not os.path.islink(root + b"/" + path))
    return [path + b"/" for path in places if os.path.lexists(root + b"/" + path + b"/.git")]


def _walk(root: bytes, folder: bytes, unread: list[str]) -> Iterator[bytes]:
    """Every file and symlink below a folder, except in `.git`; follows nothing."""
    pending = [folder]
    while pending:
        here = pending.pop()
        try:
            with os.scandir(root + b"/" + here) as entries:
                for each in entries:
                    path = here + b"/" + each.name
                    if each.name == b".git":
                        continue
                    if each.is_dir(follow_symlinks=False):
                        pending.append(path)
                    elif each.is_symlink() or each.is_file(follow_symlinks=False):
                        yield path
        except OSError as cause:
            unread.append(f"{quote_path(here)}: not looked at: {cause.strerror}")


def _leads_out(path: bytes) -> bool:
    try:
        return os.readlink(path).startswith(b"/")
    except OSError:
        return False


def _ignored(git: Git, rules: Path, paths: Iterable[bytes]) -> list[bytes]:
    """Which of these the rules hide; asked in an empty folder, where no agent's `.gitignore` is."""
    # Before "./" a name like ":(top)" is no pathspec magic; this command cannot take names literally.
    request = b"".join(b"./" + path + b"\0" for path in paths)
    if not request:
        return []
    with TemporaryDirectory(dir=rules.parent, prefix="empty-") as empty:
        apart = replace(git, work_tree=Path(empty), index=rules.with_name("no-index"))
        options = ("--no-literal-pathspecs", "-c", f"core.excludesFile={rules}")
        done = apart.call(*options, "check-ignore", "--no-index", "-z", "--stdin", stdin=request)
    if done.code not in (0, 1):
        raise GitFailed(f"git cannot apply the ignore rules: {failure(done)}")
    return [path.removeprefix(b"./") for path in done.stdout.split(b"\0")[:-1]]
