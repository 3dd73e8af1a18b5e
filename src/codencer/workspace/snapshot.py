"""The snapshot: one commit with everything an attempt left behind, under a ref of the bridge's.

It is taken through a copy of the bridge's own index with the ignore rules of the base and of the
user, so nothing the agent did to its git directory, index or `.gitignore` hides a file. What cannot
be stored is listed and makes the snapshot incomplete; a snapshot is never refused for it. A disk that
takes no more is something else: then there is no snapshot until it does.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from codencer.errors import GitFailed, StorageFailed
from codencer.workspace.agent_commits import Brought, bring_in
from codencer.workspace.collect import Base, Collected, collect
from codencer.workspace.folders import is_folder, is_inside
from codencer.workspace.git import IDENTITY, Git, GitSettings, Store, quote_path
from codencer.workspace.objects import read_objects, refuse_unwritable
from codencer.workspace.refs import NAMESPACE, create_refs, read_ref
from codencer.workspace.submodules import Gitlink, module_index, read_gitlinks

_RECORD = "Codencer-Snapshot: "
_MAX_PROBLEMS = 100
"""Problems listed by name in one snapshot; the rest is counted."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """`tree` is the whole work tree as git stores it; `problems` say what is not in it and why."""

    commit: str
    tree: str
    complete: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What was seen in a workspace: its tree is in the object store already, its commit not yet."""

    tree: str
    job: "_Job"
    found: "_State | Taken"


def look(
    store: Store,
    settings: GitSettings,
    *,
    workspace: Path,
    index: Path,
    base: str,
    ref: str,
    message: str,
) -> Sighting:
    """Store what is in `workspace` as a tree, which can be compared with others while `keep` goes on.

    Where there is the `ref` already, its snapshot is what was found.

    Raises:
        GitFailed: git could not write the snapshot at all.
        StorageFailed: the disk is full or not writable; to be taken again.
    """
    job = _Job(
        store=store, settings=settings, workspace=workspace, index=index, base=base, ref=ref, message=message
    )
    with _explained(job):
        found = _look(job)
    tree = found.tree if isinstance(found, Taken) else found.collected.tree
    return Sighting(tree=tree, job=job, found=found)


def keep(seen: Sighting) -> Taken:
    """Make the snapshot of what was seen: its commit, under its ref. Raises as `look` does."""
    if isinstance(seen.found, Taken):
        return seen.found
    with _explained(seen.job):
        return _commit(seen.job, seen.found)


@contextmanager
def _explained(job: "_Job") -> Iterator[None]:
    try:
        yield
    except GitFailed:
        refuse_unwritable(job.store)
        raise
    except (OSError, StorageFailed) as cause:
        raise StorageFailed(
            f"The snapshot of {job.workspace} could not be written: {cause}. The workspace is kept as it is."
        ) from cause


def read_taken(store: Store, commit: str) -> Taken:
    """Return a snapshot from its commit alone, problems included.

    Raises:
        GitFailed: it is not there, or no snapshot of ours.
    """
    (content,) = read_objects(Git(store), [commit])
    return _decoded(commit, content or b"")


def _decoded(commit: str, content: bytes) -> Taken:
    header, _, text = content.decode("utf-8", "replace").partition("\n\n")
    start = text.rfind(_RECORD)
    if start < 0:
        raise GitFailed(f"The commit {commit} is not there, or is no snapshot.")
    record = json.loads(text[start + len(_RECORD) :])
    tree = header.partition("\n")[0].removeprefix("tree ")
    return Taken(commit=commit, tree=tree, complete=record["complete"], problems=tuple(record["problems"]))


@dataclass(frozen=True, kw_only=True)
class _Job:
    store: Store
    settings: GitSettings
    workspace: Path
    index: Path
    base: str
    ref: str
    message: str


@dataclass(frozen=True, kw_only=True)
class _State:
    base: Base
    collected: Collected
    brought: Brought

    @property
    def complete(self) -> bool:
        return not (self.collected.refused or self.brought.lost)

    @property
    def problems(self) -> tuple[str, ...]:
        every = (*self.collected.refused, *self.collected.notes, *self.brought.notes)
        if len(every) > _MAX_PROBLEMS:
            every = (*every[:_MAX_PROBLEMS], f"and {len(every) - _MAX_PROBLEMS} more")
        return tuple(each.encode("utf-8", "replace").decode() for each in every)

    @property
    def unchanged(self) -> bool:
        same_commits = self.brought.head == self.base.commit and not self.brought.others
        return same_commits and self.collected.tree == self.base.tree


def _look(job: _Job) -> _State | Taken:
    """What is in one repository, or the snapshot that was taken of it before."""
    names = (job.ref, job.base, f"{job.base}:.gitignore")
    there, commit, rules = read_objects(Git(job.store, job.settings, git_dir=job.store.common_dir), names)
    if there is not None:
        return _decoded(read_ref(job.store, job.ref) or "", there)
    if commit is None:
        raise GitFailed(f"The base commit {job.base} is not in {job.store.common_dir}.")
    tree = commit.partition(b"\n")[0].removeprefix(b"tree ").decode("ascii")
    base = Base(commit=job.base, tree=tree, rules=rules)
    collected = _collect_whatever_happens(job, base)
    brought = bring_in(job.store, job.settings, job.workspace / ".git", job.base)
    return _State(base=base, collected=collected, brought=brought)


def _collect_whatever_happens(job: _Job, base: Base) -> Collected:
    with TemporaryDirectory(dir=job.index.parent, prefix=f"{job.index.name}-take-") as folder:
        git = Git(job.store, job.settings, work_tree=job.workspace, index=Path(folder, "index"))
        try:
            return _collect(git, job, base, carefully=False)
        except GitFailed:
            # A file git cannot store, or an index that a power failure cut short: once more from the base,
            # file by file. What fails then is a real failure.
            Path(folder, "index.lock").unlink(missing_ok=True)
            return _collect(git, job, base, carefully=True)


def _collect(git: Git, job: _Job, base: Base, *, carefully: bool) -> Collected:
    if not is_folder(job.workspace):
        tree = replace(git, work_tree=None).text("mktree", stdin=b"")
        return Collected(tree=tree, refused=("The workspace itself is gone.",))
    assert git.index is not None
    if carefully or not job.index.exists():
        git.index.unlink(missing_ok=True)
        git.run("read-tree", job.base)
    else:
        # With its time, because git trusts an entry only when it is older than the index.
        shutil.copy2(job.index, git.index)
    gitlinks = read_gitlinks(git, job.base)
    modules: dict[bytes, str] = {}
    notes: list[str] = []
    refused: list[str] = []
    for link in gitlinks:
        taken = _take_module(job, link)
        if taken is not None:
            modules[link.path] = taken.commit
            lines = notes if taken.complete else refused
            lines += [f"{quote_path(link.path)}: {problem}" for problem in taken.problems]
    collected = collect(git, base, gitlinks, modules, carefully=carefully)
    return replace(collected, refused=(*refused, *collected.refused), notes=tuple(notes))


def _take_module(job: _Job, link: Gitlink) -> Taken | None:
    """Take a submodule that was filled and still is a folder; unchanged, it keeps its commit."""
    index = module_index(job.index, link.path)
    folder = job.workspace / os.fsdecode(link.path)
    if link.store is None or not index.exists() or not is_inside(folder, job.workspace):
        return None
    inner = replace(job, store=link.store, workspace=folder, index=index, base=link.commit)
    found = _look(inner)
    if isinstance(found, Taken):
        return found
    if found.unchanged:
        return Taken(
            commit=link.commit, tree=found.base.tree, complete=found.complete, problems=found.problems
        )
    return _commit(inner, found)


def _commit(job: _Job, state: _State) -> Taken:
    git = Git(job.store, IDENTITY)
    tree = state.collected.tree
    parents = [part for parent in _parents(git, state) for part in ("-p", parent)]
    record = json.dumps({"complete": state.complete, "problems": state.problems}, ensure_ascii=True)
    text = job.message.replace("\0", " ").rstrip() + f"\n\n{_RECORD}{record}\n"
    commit = git.text("commit-tree", tree, *parents, stdin=text.encode("utf-8", "replace"))
    name = job.ref.removeprefix(NAMESPACE).rpartition("/")[2]
    others = enumerate(state.brought.others, start=1)
    try:
        create_refs(
            job.store, {job.ref: commit} | {f"{NAMESPACE}commits/{name}/{n}": other for n, other in others}
        )
    except GitFailed:
        there = read_ref(job.store, job.ref)
        if there is None:
            raise
        return read_taken(job.store, there)
    return Taken(commit=commit, tree=tree, complete=state.complete, problems=state.problems)


def _parents(git: Git, state: _State) -> tuple[str, ...]:
    """The agent's HEAD with the base as an ancestor: both when it is not."""
    head = state.brought.head
    base = state.base.commit
    if head == base:
        return (base,)
    return (head,) if git.ok("merge-base", "--is-ancestor", base, head) else (base, head)
