"""The door to git: every command on a repository goes through here, in a hermetic environment.

Nothing an agent can write is ever configuration here. The git directory is the bridge's own
(`<state>/git`), only the objects are the user's; every setting comes from the frozen
`GitSettings` of the submission plus `HARDENING`, which wins. Hooks, fsmonitor, signing,
automatic gc and, without a promisor remote, every transport are off.
"""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from codencer.errors import GitFailed, LaunchFailed, StorageFailed
from codencer.process.commands import Completed, run
from codencer.process.tree import see_out
from codencer.workspace.names import quote_path, unquote_path
from codencer.workspace.settings import ATTRIBUTES_KEY, GitSettings, is_partial, read_settings
from codencer.workspace.store import Store, open_store

__all__ = [
    "IDENTITY",
    "NO_ROOM",
    "Git",
    "GitSettings",
    "Store",
    "open_store",
    "quote_path",
    "read_settings",
    "see_out_earlier_commands",
    "unquote_path",
]

SECONDS_TO_END = 10.0
"""For a git command whose daemon was killed; none of ours takes longer unless it hangs."""

HARDENING: GitSettings = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.splitIndex", "false"),
    ("core.sparseCheckout", "false"),
    ("core.preloadIndex", "true"),
    ("core.trustctime", "true"),
    ("core.checkStat", "default"),
    # The workspace is on a file system of ours, so the user's probes of theirs do not hold here, and a
    # snapshot that folds case or ignores modes would lose work.
    ("core.fileMode", "true"),
    ("core.symlinks", "true"),
    ("core.ignoreCase", "false"),
    # Names and line endings that git would refuse to store are still work.
    ("core.protectNTFS", "false"),
    ("core.protectHFS", "false"),
    ("core.safecrlf", "false"),
    ("core.excludesFile", "/dev/null"),
    ("core.logAllRefUpdates", "false"),
    ("core.fsync", "objects,reference"),
    ("core.fsyncMethod", "batch"),
    ("core.pager", "cat"),
    ("core.sshCommand", "ssh -o BatchMode=yes"),
    ("core.askPass", "true"),
    ("commit.gpgSign", "false"),
    ("tag.gpgSign", "false"),
    ("gpg.program", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("submodule.recurse", "false"),
    ("log.showSignature", "false"),
    ("protocol.allow", "never"),
)

IDENTITY: GitSettings = (
    ("user.name", "Codencer"),
    ("user.email", "codencer@localhost"),
)
"""Whose commits the bridge's own are: settings to give alone to the `Git` that makes one."""

_PASSED_ON = re.compile(
    r"(PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|XDG_[A-Z_]+|SSH_AUTH_SOCK|SSL_CERT_(FILE|DIR)|(https?|all|no)_proxy)",
    re.IGNORECASE,
)
"""What filter programs and promisor transports of the user need; no GIT_* and no secrets."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""How a disk refuses to be written to; an I/O error may as well be that of a file that is read."""

_PROMISOR_PROTOCOLS = ("https", "http", "ssh", "git", "file")


@dataclass(frozen=True)
class Git:
    """Git commands on one store, with an explicit work tree and index or none at all.

    `extra_objects` are further object directories to read from (an agent's, when its commits
    are checked). `git_dir` is for questions about the user's own repository (its refs, a
    checkout's index); an agent's git directory never goes there. `umask` is for files made in a
    checkout of the user's; the bridge's own are private.
    """

    store: Store
    settings: GitSettings = ()
    work_tree: Path | None = None
    index: Path | None = None
    extra_objects: tuple[Path, ...] = ()
    git_dir: Path | None = None
    umask: int = -1

    def run(
        self,
        *args: str,
        stdin: bytes | Path | None = None,
        stdout_file: Path | None = None,
    ) -> bytes:
        """Return what git printed.

        Raises:
            GitFailed: git ended with another code than 0, or made no progress and was stopped.
            StorageFailed: a disk is full or read-only.
        """
        done = self.call(*args, stdin=stdin, stdout_file=stdout_file)
        if done.code != 0:
            kind = StorageFailed if _met_a_full_disk(done) else GitFailed
            raise kind(f"git {args[0]} failed with code {done.code}: {failure(done)}")
        return done.stdout

    def text(self, *args: str, stdin: bytes | None = None) -> str:
        """Return what git printed as text without the last newline; odd bytes become surrogates."""
        return os.fsdecode(self.run(*args, stdin=stdin)).removesuffix("\n")

    def ok(self, *args: str, stdin: bytes | None = None) -> bool:
        """Whether git ended with code 0."""
        return self.call(*args, stdin=stdin).code == 0

    def call(
        self,
        *args: str,
        stdin: bytes | Path | None = None,
        stdout_file: Path | None = None,
    ) -> Completed:
        """Run git to its end, whatever its exit code."""
        try:
            return run(
                ["git", *args],
                cwd=self.work_tree or self.store.bridge_dir,
                env=self._environment | dict([self.store.mark.split("=")]),
                stdin=stdin,
                stdout_file=stdout_file,
                umask=self.umask,
            )
        except LaunchFailed as cause:
            raise GitFailed(f"git {args[0]} could not be run to its end: {cause}") from cause

    @cached_property
    def _environment(self) -> dict[str, str]:
        common = self.store.common_dir
        env = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
        env |= {
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_LFS_SKIP_DOWNLOAD_ERRORS": "1",
            "GIT_DIR": str(self.git_dir or self.store.bridge_dir),
        }
        if self.git_dir is None:
            env["GIT_OBJECT_DIRECTORY"] = str(common / "objects")
            if (common / "shallow").exists():
                env["GIT_SHALLOW_FILE"] = str(common / "shallow")
        if self.work_tree is not None:
            env["GIT_WORK_TREE"] = str(self.work_tree)
        if self.index is not None:
            env["GIT_INDEX_FILE"] = str(self.index)
        if self.extra_objects:
            env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = ":".join(map(_alternate, self.extra_objects))
        return env | _as_environment([*self._configuration()])

    def _configuration(self) -> Iterator[tuple[str, str]]:
        yield from ((key, value) for key, value in self.settings if not key.startswith("codencer."))
        yield from HARDENING
        frozen = dict(self.settings)
        yield "core.attributesFile", str(_kept(self.store, frozen.get(ATTRIBUTES_KEY, "")))
        if any(key.startswith("filter.lfs.") for key in frozen):
            yield "lfs.storage", str(self.store.common_dir / "lfs")
        if is_partial(self.settings):
            yield from ((f"protocol.{name}.allow", "always") for name in _PROMISOR_PROTOCOLS)


def failure(done: Completed) -> str:
    """What git said about a failure, shortened for a message."""
    said = done.stderr.decode("utf-8", "replace").strip()
    return said if len(said) <= 2000 else f"{said[:1000]} … {said[-1000:]}"


def _met_a_full_disk(done: Completed) -> bool:
    reasons = tuple(f": {os.strerror(number)}" for number in NO_ROOM)
    return any(line.endswith(reasons) for line in done.stderr.decode("utf-8", "replace").splitlines())


def see_out_earlier_commands(store: Store) -> None:
    """Wait for what a daemon that was killed has left running: nobody else may write meanwhile.

    Raises:
        LaunchFailed: something hangs and cannot be killed.
    """
    see_out(store.mark, SECONDS_TO_END)


def _as_environment(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    env = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


def _alternate(objects: Path) -> str:
    quoted = os.fspath(objects).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"' if ":" in quoted or quoted.startswith('"') else str(objects)


def _kept(store: Store, content: str) -> Path:
    """A file of the bridge's with this frozen content (C-quoted), because git takes only a path."""
    if not content:
        return Path(os.devnull)
    data = unquote_path(content)
    kept = store.bridge_dir / f"attributes-{sha256(data).hexdigest()[:16]}"
    if not kept.exists():
        draft = kept.with_name(f"{kept.name}.{os.getpid()}.{os.urandom(4).hex()}")
        draft.write_bytes(data)
        draft.replace(kept)
    return kept
