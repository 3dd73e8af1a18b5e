"""What changed between two trees: tree against tree, so nothing in a work tree can colour it.

No external diff, no textconv, no attributes of the repository's content; renames are found,
copies are not. Paths leave as text (C-quoted where they are not UTF-8).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from codencer.errors import GitFailed
from codencer.model.attempt import FileChange
from codencer.workspace.git import Git, quote_path
from codencer.workspace.store import Store

_DIFF: Final = ("diff-tree", "-r", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=none")
_RENAMES: Final = ("--find-renames=50%",)
_QUOTE_ONLY_CONTROLS: Final = (("core.quotePath", "false"),)

ABSENT: Final = "000000"
GITLINK: Final = "160000"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a raw diff: `status` is one letter; `path` the new path, `old_path` of a rename."""

    status: str
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    path: bytes
    old_path: bytes | None = None


def changed_files(store: Store, base: str, tree: str) -> list[FileChange]:
    """Return every path that differs from `base` to `tree` (each a commit or a tree)."""
    data = Git(store).run(*_DIFF, "-z", *_RENAMES, "--raw", "--numstat", base, tree)
    tokens = iter(data.split(b"\0")[:-1])
    entries, counts = [], {}
    for token in tokens:
        if token.startswith(b":"):
            entries.append(_entry(token, tokens))
        else:
            path, count = _count(token, tokens)
            counts[path] = count
    return [_change(entry, counts.get(entry.path, (None, None))) for entry in entries]


def raw_entries(store: Store, base: str, tree: str) -> list[Entry]:
    """Return the differing paths one by one: a rename is a deletion and an addition."""
    tokens = iter(Git(store).run(*_DIFF, "-z", "--no-renames", "--raw", base, tree).split(b"\0")[:-1])
    return [_entry(token, tokens) for token in tokens]


def largest_file(store: Store, base: str, tree: str) -> int:
    """Return the size in bytes of the largest file that `tree` has anew or changed; 0 when there is none.

    Raises:
        GitFailed: one of the trees, or a file, is not there any more.
    """
    names = {
        entry.new_id for entry in raw_entries(store, base, tree) if entry.new_mode not in (ABSENT, GITLINK)
    }
    request = "".join(f"{name}\n" for name in sorted(names)).encode()
    if not request:
        return 0
    sizes = Git(store).run("cat-file", "--batch-check=%(objectsize)", stdin=request).split()
    if b"missing" in sizes:
        raise GitFailed(f"Not every file of the tree {tree} is in {store.common_dir}.")
    return max(map(int, sizes))


def patch(store: Store, base: str, tree: str, out: Path) -> None:
    """Write the binary patch that turns `base` into `tree` to `out`, for `git apply`."""
    form = ("--patch", "--binary", "--full-index", "--src-prefix=a/", "--dst-prefix=b/")
    Git(store).run(*_DIFF, *_RENAMES, *form, base, tree, stdout_file=out)


def stat(store: Store, base: str, tree: str) -> str:
    """Return a histogram of the changes like `git diff --stat`, and its summary line."""
    command = (*_DIFF, *_RENAMES, "--stat=100", base, tree)
    table = Git(store, _QUOTE_ONLY_CONTROLS).run(*command)
    try:
        text = table.decode("utf-8")
    except UnicodeDecodeError:
        text = Git(store).run(*command).decode("ascii", "backslashreplace")
    return text or " 0 files changed\n"


def _entry(token: bytes, tokens: Iterator[bytes]) -> Entry:
    try:
        old_mode, new_mode, old_id, new_id, status = token[1:].decode("ascii").split(" ")
        first = next(tokens)
        renamed = status[0] in "RC"
        path = next(tokens) if renamed else first
    except (ValueError, StopIteration) as cause:
        raise GitFailed(f"git printed a raw diff that cannot be read, at {token[:200]!r}") from cause
    return Entry(
        status=status[0],
        old_mode=old_mode,
        new_mode=new_mode,
        old_id=old_id,
        new_id=new_id,
        path=path,
        old_path=first if renamed else None,
    )


def _count(token: bytes, tokens: Iterator[bytes]) -> tuple[bytes, tuple[int | None, int | None]]:
    """One entry of `--numstat -z`: a rename has an empty path, then the old and the new one."""
    try:
        added, deleted, path = token.split(b"\t", 2)
        if not path:
            next(tokens)
            path = next(tokens)
        return path, (_number(added), _number(deleted))
    except (ValueError, StopIteration) as cause:
        raise GitFailed(f"git printed a diff count that cannot be read, at {token[:200]!r}") from cause


def _number(text: bytes) -> int | None:
    return None if text == b"-" else int(text)


def _change(entry: Entry, counts: tuple[int | None, int | None]) -> FileChange:
    return FileChange(
        path=quote_path(entry.path),
        status=entry.status,
        additions=counts[0],
        deletions=counts[1],
        old_path=None if entry.old_path is None else quote_path(entry.old_path),
        old_mode=entry.old_mode,
        new_mode=entry.new_mode,
    )
