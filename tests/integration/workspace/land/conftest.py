"""A user's repository, and the trees of attempts made beside it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

import codencer
from codencer.failpoints import VARIABLE
from codencer.model.codec import encode
from codencer.model.landing import Landed, LandForm, Landing
from codencer.workspace.git import Store, open_store, read_settings
from codencer.workspace.land import LandRequest, Work, carry_out, landed_before, plan

MakeRepo = Callable[..., Path]
Files = Mapping[str, str | None]
"""Path to content; None deletes; a content that begins with `-> ` is a symlink's target."""

BASE: Mapping[str, str] = {
    "a": "".join(f"line {number}\n" for number in range(1, 13)),
    "b": "b\n",
    "d/c": "c\n",
    ".gitignore": "*.secret\n",
}

PROGRAM = """
import json, sys
from pathlib import Path
from codencer.model.codec import decode
from codencer.model.landing import Landing
from codencer.workspace.git import open_store
from codencer.workspace.land import carry_out
carry_out(open_store(Path(sys.argv[1]), Path(sys.argv[2])), decode(Landing, json.loads(sys.argv[3])))
"""


class User:
    """A user's repository, and an attempt's tree made beside it."""

    def __init__(self, top: Path, folder: Path) -> None:
        self.top, self.folder = top, folder
        self.store: Store = open_store(top / ".git", folder / "state")
        self.base = self.git("rev-parse", "HEAD")

    def git(self, *arguments: str, where: Path | None = None, **env: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=where or self.top,
            env={**os.environ, **env},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return os.fsdecode(done.stdout).removesuffix("\n")

    def commit(self, files: Files, where: Path | None = None) -> str:
        write(where or self.top, files)
        self.git("add", "--all", where=where)
        self.git("commit", "-q", "-m", "of the user", where=where)
        return self.git("rev-parse", "HEAD", where=where)

    def snapshot(self, changes: Files, *, programs: tuple[str, ...] = ()) -> str:
        """The tree of the base with these changes, made in a clone that nothing else uses."""
        clone = self.folder / "clone"
        self.git("clone", "-q", "--shared", "--no-checkout", str(self.top), str(clone))
        self.git("checkout", "-q", "--detach", self.base, where=clone)
        write(clone, changes)
        for name in programs:
            (clone / name).chmod(0o755)
        objects = str(self.store.common_dir / "objects")
        self.git("add", "--all", "--force", where=clone, GIT_OBJECT_DIRECTORY=objects)
        tree = self.git("write-tree", where=clone, GIT_OBJECT_DIRECTORY=objects)
        subprocess.run(["rm", "-rf", clone], check=True)
        return tree

    def request(
        self, tree: str, form: str = "commit", target: str | None = None, checkout: Path | None = None
    ) -> LandRequest:
        work = Work(base=self.base, tree=tree, message="Fix it\n\nAll of it.")
        return LandRequest(work=work, form=LandForm(form), target=target, checkout=checkout or self.top)

    def plan(self, request: LandRequest) -> Landing:
        return plan(self.store, read_settings(request.checkout), request)

    def land(
        self, tree: str, form: str = "commit", target: str | None = None, checkout: Path | None = None
    ) -> Landed:
        landing = self.plan(self.request(tree, form, target, checkout))
        carry_out(self.store, landing)
        return landing.landed

    def before(self, request: LandRequest, *earlier: Landed) -> Landed | None:
        return landed_before(self.store, request, earlier)

    def cut_off(self, landing: Landing, moment: str) -> None:
        """Carry it out in a process that is killed at that failpoint."""
        once = self.folder / f"killed {moment}"
        env = {
            **os.environ,
            VARIABLE: f"kill {moment} 1 {once}",
            "PYTHONPATH": os.fspath(Path(codencer.__file__).parents[1]),
        }
        places = (os.fspath(self.store.common_dir), os.fspath(self.store.bridge_dir.parent))
        words = [sys.executable, "-c", PROGRAM, *places, json.dumps(encode(landing))]
        done = subprocess.run(words, env=env, check=False)
        assert done.returncode == -signal.SIGKILL

    def carry_out_again(self, landing: Landing) -> None:
        """As the next daemon does; none of what the one before laid down may be left."""
        carry_out(self.store, landing, again=True)
        self.nothing_is_left()

    def nothing_is_left(self, where: Path | None = None) -> None:
        top = where or self.top
        ours = [*(top / ".git").rglob("codencer-*"), *top.rglob(".codencer-*"), top / ".git" / "index.lock"]
        assert [each for each in ours if each.exists()] == []

    def everything(self, *more: Path) -> dict[str, object]:
        """Every file and folder but objects; for those of the work trees with their times."""
        found: dict[str, object] = {}
        for top in (self.top, *more):
            for folder, folders, names in os.walk(top):
                if folder.endswith("/.git"):
                    folders.remove("objects")
                for path in (Path(folder, name) for name in (*names, *folders)):
                    about = path.lstat()
                    content = (
                        "" if path.is_dir() else path.read_bytes() if path.is_file() else os.readlink(path)
                    )
                    found[str(path)] = (about.st_mode, content, ".git" in path.parts or about.st_mtime_ns)
        return found

    @contextmanager
    def unchanged(self, *more: Path) -> Iterator[None]:
        before = self.everything(*more)
        yield
        assert self.everything(*more) == before

    def files(self, where: Path | None = None) -> dict[str, str]:
        top = where or self.top
        names = self.git("ls-files", "-z", "--cached", "--others", where=top).split("\0")[:-1]
        return {name: read(top / name) for name in names if os.path.lexists(top / name)}

    def read(self, name: str, where: Path | None = None) -> str:
        return read((where or self.top) / name)

    def write(self, files: Files, where: Path | None = None) -> None:
        write(where or self.top, files)

    def dirt(self, where: Path | None = None) -> str:
        return self.git("status", "--porcelain", where=where)


def read(path: Path) -> str:
    return f"-> {os.readlink(path)}" if path.is_symlink() else path.read_bytes().decode()


def write(top: Path, files: Files) -> None:
    for name in files:
        if (top / name).is_file() or (top / name).is_symlink():
            (top / name).unlink()
            if not any((top / name).parent.iterdir()):
                (top / name).parent.rmdir()
    for name, content in files.items():
        path = top / name
        if content is None:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("-> "):
            path.symlink_to(content[3:])
        else:
            path.write_bytes(content.encode())


@pytest.fixture
def user(make_repo: MakeRepo, tmp_path: Path) -> User:
    return User(make_repo(BASE), tmp_path)
