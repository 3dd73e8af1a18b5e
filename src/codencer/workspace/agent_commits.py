"""Bringing an agent's commits into the user's store, checked: its object files are never trusted.

Only regular object files are lent to git, without the agent's alternates. Git packs what is
reachable, and a second git that cannot see the agent's files checks every hash and link of the pack
before it lets it in. What fails stays out, and the snapshot says so.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from codencer.errors import GitFailed
from codencer.workspace.agent_refs import MAX_POINTERS, read_pointers
from codencer.workspace.folders import is_folder
from codencer.workspace.git import NO_ROOM, Git, GitSettings, Store
from codencer.workspace.objects import refuse_unwritable
from codencer.workspace.settings import is_partial

_FANOUT = re.compile(r"[0-9a-f]{2}|pack")
_LOOSE_UP_TO = 200
"""Small imports become loose objects, so that attempts don't litter the store with tiny packs."""

MAX_KEPT = 200
"""Other tips kept under refs of their own for one attempt."""


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What is now in the store: the agent's HEAD (the base when it has none) and other tips.

    `notes` are worth telling; `lost` means something existed and could not be brought in.
    """

    head: str
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lost: bool = False


def bring_in(store: Store, settings: GitSettings, git_dir: Path, base: str) -> Brought:
    """Bring the commits of an agent's git directory into the store; raises only when the disk fails."""
    if not is_folder(git_dir):
        return Brought(
            head=base, notes=("The workspace's git directory is gone or replaced by something else.",)
        )
    pointers = read_pointers(git_dir)
    notes = (
        [] if pointers.all_read else [f"More than {MAX_POINTERS} refs and reflog entries; not all were read."]
    )
    lost = not pointers.all_read
    if pointers.head is None:
        notes.append("HEAD in the workspace names no commit.")
    wanted = {*pointers.others, pointers.head or base} - {base}
    types = _types(Git(store), wanted)
    missing = [each for each in wanted if each not in types]
    if missing:
        problem = _import(store, settings, git_dir / "objects", missing, base)
        if problem:
            notes.append(problem)
            lost = True
        types = _types(Git(store), wanted)
    head = pointers.head or base
    if head != base and types.get(head) != "commit":
        notes.append(f"The commit {head} at HEAD in the workspace is missing or damaged.")
        head, lost = base, True
    there = [each for each in wanted - {head} if types.get(each) in ("commit", "tag")]
    tips = _tips(store, there, (head, base))
    if len(tips) > MAX_KEPT:
        notes.append(f"{len(tips)} other tips in the workspace; only {MAX_KEPT} are kept.")
        lost = True
    return Brought(head=head, others=tips[:MAX_KEPT], notes=tuple(notes), lost=lost)


def _import(store: Store, settings: GitSettings, objects: Path, wanted: Iterable[str], base: str) -> str:
    """Bring the wanted objects in as far as they exist; return what went wrong.

    Raises:
        StorageFailed, OSError: the disk refused what was to be written.
    """
    try:
        with _lent(store, objects) as lent:
            types = _types(Git(store, extra_objects=(lent,)), wanted)
            tips = [each for each in wanted if types.get(each) in ("commit", "tag")]
            if tips:
                _transfer(Git(store, settings), lent, [*tips, f"^{base}"])
    except (OSError, GitFailed) as cause:
        # A disk that refuses is no fault of the agent's: nothing may be left out for it.
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            raise
        refuse_unwritable(store)
        return f"Commits in the workspace could not be brought in: {cause}"
    return ""


def _transfer(git: Git, lent: Path, revisions: Iterable[str]) -> None:
    pack = lent.parent / "pack"
    request = "".join(f"{each}\n" for each in revisions).encode()
    reader = replace(git, extra_objects=(lent,))
    reader.run("pack-objects", "--revs", "--stdout", "-q", stdin=request, stdout_file=pack)
    with pack.open("rb") as file:
        count = int.from_bytes(file.read(12)[8:12], "big")
    if not count:
        return
    if is_partial(git.settings):
        # Links may rightly lead to objects that only the promisor has.
        git.run("index-pack", "--stdin", "--fsck-objects", stdin=pack)
    elif count <= _LOOSE_UP_TO:
        git.run("unpack-objects", "-q", "--strict", stdin=pack)
    else:
        git.run("index-pack", "--stdin", "--strict", stdin=pack)


@contextmanager
def _lent(store: Store, objects: Path) -> Iterator[Path]:
    """An object directory that shows the agent's loose objects and packs and nothing else of it.

    Raises:
        OSError: something in there is not a regular file, or cannot be read.
    """
    with TemporaryDirectory(dir=store.bridge_dir, prefix="lent-") as folder:
        lent = Path(folder, "objects")
        lent.mkdir()
        if is_folder(objects):
            with os.scandir(objects) as entries:
                folders = [each for each in entries if _FANOUT.fullmatch(each.name)]
            for each in folders:
                _refuse_odd_files(Path(each.path))
                (lent / each.name).symlink_to(each.path)
        yield lent


def _refuse_odd_files(folder: Path) -> None:
    if not is_folder(folder):
        raise OSError(f"{folder} is not a folder")
    with os.scandir(folder) as entries:
        for each in entries:
            if not stat.S_ISREG(each.stat(follow_symlinks=False).st_mode):
                raise OSError(f"{each.path} is not a regular file")


def _types(git: Git, ids: Iterable[str]) -> dict[str, str]:
    """The type of each object that git can see."""
    request = "".join(f"{each}\n" for each in ids)
    if not request:
        return {}
    listing = git.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=request.encode())
    pairs = (line.split(" ") for line in listing.decode("ascii").splitlines())
    return {name: kind for name, kind in pairs if kind != "missing"}


def _tips(store: Store, commits: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Those of the commits that neither `known` nor another one of them reaches."""
    request = "".join(f"{each}\n" for each in [*commits, *(f"^{each}" for each in known)])
    if request.startswith("^"):
        return ()
    lines = Git(store).text("rev-list", "--parents", "--stdin", stdin=request.encode()).splitlines()
    parents = {parent for line in lines for parent in line.split(" ")[1:]}
    return tuple(commit for commit in (line.split(" ")[0] for line in lines) if commit not in parents)
