"""The bare script: the git, fsync and spawn work of one step, and nothing else.

The same git commands in the same order, as many durable writes in the same places, one
`python -I -S` for the agent and the agent. What a bridge adds (a queue, a record that can be
verified, limits, HTTP) is missing: that difference is what is measured. `census.py` counts
both and says when they are no longer the same.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

SUPERVISOR = Path(__file__).with_name("bare_supervisor.py")

SETTINGS = {
    "core.fsync": "objects,reference",
    "core.fsyncMethod": "batch",
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
    "checkout.workers": str(len(os.sched_getaffinity(0))),
}
IDENTITY = {"GIT_AUTHOR_NAME": "Bare", "GIT_AUTHOR_EMAIL": "bare@localhost"} | {
    "GIT_COMMITTER_NAME": "Bare",
    "GIT_COMMITTER_EMAIL": "bare@localhost",
}
DIFF = ("diff-tree", "-r", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=none")
RENAMES = "--find-renames=50%"
BINARY_PATCH = ("--patch", "--binary", "--full-index", "--src-prefix=a/", "--dst-prefix=b/")

RECORD_BYTES = 4096
"""What one group of events adds to the log of the ledger, about."""
EVIDENCE = ("input.txt", "task.json", "environment.json", "policy.json", "changed_files.json")
VERDICT = ("result.json", "manifest.json")
EVIDENCE_BYTES = 1500


@dataclass(frozen=True, kw_only=True)
class Done:
    """The same stretches of time as those of a step of the bridge, in seconds."""

    submitted: float
    seconds: float
    after_agent: float


@dataclass
class Bare:
    """Runs bare steps in one repository; `scratch` takes the place of the bridge's folders."""

    top: Path
    scratch: Path
    environ: dict[str, str]
    agent: tuple[str, ...] = ("date", "+%s%N")
    numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        for name in ("workspaces", "launches", "evidence", "trash"):
            (self.scratch / name).mkdir(parents=True, exist_ok=True)
        self._log = os.open(self.scratch / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._base = self._git("rev-parse", "HEAD").decode().strip()

    def step(self) -> Done:
        """Submit and walk one step; its workspace is removed off the clock."""
        began = time.monotonic()
        self.submit()
        submitted = time.monotonic() - began
        number, after_agent = self.walk()
        seconds = time.monotonic() - began
        self.release(number)
        return Done(submitted=submitted, seconds=seconds, after_agent=after_agent)

    def submit(self) -> None:
        self._git("config", "--list", "-z")
        self._git("rev-parse", "--path-format=absolute", "--git-path", "info/exclude")
        self._git("rev-parse", "--verify", "--quiet", "--end-of-options", "HEAD^{commit}")
        pin = f"refs/bare/bases/{self._base}"
        # The pin of the first submission serves all that begin at the same commit.
        self._git("rev-parse", "--verify", "--quiet", "--end-of-options", pin, check=False)
        self._commit()

    def walk(self) -> tuple[int, float]:
        """Take one step from the queue to its verdict: (its number, seconds since its agent's end)."""
        number = next(self.numbers)
        workspace, launch = self._workspace(number), self.scratch / "launches" / str(number)
        self._commit()
        self._prepare(workspace, launch)
        self._commit()
        ended = self._run(workspace, launch)
        self._commit()
        self._collect(workspace, launch, number)
        self._commit()
        for name in VERDICT:  # the second one lists the first
            self._seal(number, launch, (name,), ())
        self._commit()
        return number, time.time() - ended

    def release(self, number: int) -> None:
        trash = self.scratch / "trash" / str(number)
        self._workspace(number).rename(trash)
        self._commit()
        shutil.rmtree(self.scratch / "launches" / str(number))
        shutil.rmtree(trash)

    def _workspace(self, number: int) -> Path:
        return self.scratch / "workspaces" / str(number)

    def _prepare(self, workspace: Path, launch: Path) -> None:
        workspace.mkdir()
        launch.mkdir()
        index = launch / "index"
        self._git("read-tree", "-u", "--reset", self._base, work_tree=workspace, index=index)
        git_dir = workspace / ".git"
        for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
            (git_dir / name).mkdir(parents=True)
        (git_dir / "HEAD").write_text("ref: refs/heads/work\n")
        (git_dir / "refs" / "heads" / "work").write_text(f"{self._base}\n")
        (git_dir / "objects" / "info" / "alternates").write_text(f"{self.top}/.git/objects\n")
        (git_dir / "config").write_text("[core]\n\trepositoryformatversion = 0\n")
        shutil.copy2(index, git_dir / "index")

    def _run(self, workspace: Path, launch: Path) -> float:
        """Run the agent under a supervisor; return the moment of its end by its own clock."""
        (launch / "prompt.txt").write_text("nothing\n")
        self._commit()
        argv = [sys.executable, "-I", "-S", str(SUPERVISOR), str(launch), str(workspace), *self.agent]
        with subprocess.Popen(argv, env=self.environ, cwd="/", start_new_session=True) as process:
            self._commit()
            process.wait()
        return int((launch / "stdout").read_bytes()) / 1e9

    def _collect(self, workspace: Path, launch: Path, number: int) -> None:
        ref = f"refs/bare/{self.scratch.name}/{number}"
        names = f"{ref}\n{self._base}\n{self._base}:.gitignore\n"
        answer = self._git("cat-file", "--batch", stdin=names.encode())
        tree = answer.partition(b"\ntree ")[2].partition(b"\n")[0].decode()
        index = launch / "index-take"
        shutil.copy2(launch / "index", index)
        (launch / "ignore").touch()
        look = ("ls-files", "-z", "-t", "-o", "-m", "-d", f"--exclude-from={launch / 'ignore'}")
        self._git(*look, work_tree=workspace, index=index)
        # Nothing has changed, so the tree is the base's and need not be written.
        commit = self._git("commit-tree", tree, "-p", self._base, stdin=f"step {number}\n".encode())
        self._git("update-ref", "--stdin", "-z", stdin=b"create %s\0%s\0" % (ref.encode(), commit.strip()))
        self._git(*DIFF, "-z", RENAMES, "--raw", "--numstat", tree, tree)
        (launch / "diff.patch").write_bytes(self._git(*DIFF, RENAMES, *BINARY_PATCH, tree, tree))
        (launch / "transcript.jsonl").touch()
        (self.scratch / "evidence" / f"{number}").mkdir()
        _sync(self.scratch)
        _sync(self.scratch / "evidence")
        moved = ("diff.patch", "prompt.txt", "transcript.jsonl", "stdout", "stderr", "exit.json")
        self._seal(number, launch, EVIDENCE, moved)

    def _seal(self, number: int, launch: Path, written: tuple[str, ...], moved: tuple[str, ...]) -> None:
        folder = self.scratch / "evidence" / str(number)
        for name in written:
            (launch / name).write_bytes(b"." * EVIDENCE_BYTES)
        for name in (*written, *moved):
            _sync(launch / name)
        for name in (*written, *moved):
            (launch / name).rename(folder / name)
        _sync(folder)

    def _commit(self) -> None:
        os.write(self._log, b"." * RECORD_BYTES)
        os.fdatasync(self._log)

    def _git(
        self,
        *arguments: str,
        work_tree: Path | None = None,
        index: Path | None = None,
        stdin: bytes | None = None,
        check: bool = True,
    ) -> bytes:
        env = self.environ | IDENTITY | {"GIT_DIR": f"{self.top}/.git", "LC_ALL": "C"}
        env["GIT_CONFIG_COUNT"] = str(len(SETTINGS))
        for number, (key, value) in enumerate(SETTINGS.items()):
            env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        if work_tree is not None and index is not None:
            env |= {"GIT_WORK_TREE": str(work_tree), "GIT_INDEX_FILE": str(index)}
        done = subprocess.run(
            ["git", *arguments],
            cwd=work_tree or self.top,
            env=env,
            input=stdin,
            capture_output=True,
            check=check,
        )
        return done.stdout


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


if __name__ == "__main__":
    bare = Bare(top=Path(sys.argv[1]), scratch=Path(sys.argv[2]), environ=dict(os.environ))
    for _ in range(int(sys.argv[3])):
        bare.step()
