"""Where the programs on PATH are really installed: what a sandbox shows read-only so that they run.

A folder of programs is often only a folder of links or small scripts. What they lead to is found from
the files alone; nothing is started. A folder that holds much more than programs (a home folder, a
checkout) is never an installation: of it only the folder of programs is shown.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from codencer.process.mounts import SYSTEM

OF_PROGRAMS = frozenset({"bin", "sbin", "shims", "libexec"})
_WIDE = (".", ".local", ".local/share", ".config", ".cache", ".cargo", "go")
"""Below a home folder: these hold more than one installation, or keys and caches besides it."""
_WITH = {".cargo/bin": (".rustup", ".cargo/config.toml"), ".local/bin": (".local/lib",)}
"""What programs in a folder below the home folder need besides it."""
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""Our own: the scripted agent is run from it."""
_MOST_FILES = 4000
_MOST_CALLED = 10
_WHOLE_PATH = re.compile(r"""(?<![^\s"'=])/[^\s"';|&<>$]+""")
_MODULES = "node_modules"


def tool_chains(environ: Mapping[str, str], programs: Iterable[str], wide: Iterable[str]) -> tuple[str, ...]:
    """Folders and files, by their names and by their real ones, in no order.

    Args:
        environ: PATH and HOME of what is to run.
        programs: paths of executables that may lie elsewhere.
        wide: further folders that are no installation and hold none as a whole.
    """
    path = dict.fromkeys(environ.get("PATH", "").split(":"))
    folders = [folder for folder in path if os.path.isabs(folder) and os.path.isdir(folder)]
    # A folder that was changed, or a link that leads elsewhere now, is looked at again.
    known = tuple((each, os.path.realpath(each), os.stat(each).st_mtime_ns) for each in folders)
    home, real = environ.get("HOME", ""), frozenset(os.path.realpath(each) for each in wide)
    return _of_programs(home, known, (sys.executable, *programs), real)


_Folders = tuple[tuple[str, str, int], ...]
"""Folders of PATH: each with its real path, and the time of its last change."""


@lru_cache(maxsize=64)
def _of_programs(
    home: str, folders: _Folders, programs: tuple[str, ...], wide: frozenset[str]
) -> tuple[str, ...]:
    search = Search(home, wide, _on_path(home, folders, wide))
    for program in programs:
        search.program(program)
        for path in _called_by(program):
            search.program(path)
    return tuple(search.found)


@lru_cache(maxsize=16)
def _on_path(home: str, folders: _Folders, wide: frozenset[str]) -> tuple[str, ...]:
    """What is the same whichever program is to run: most of what there is to look at."""
    search = Search(home, wide)
    for folder, _, _ in folders:
        search.folder(folder)
    for prefix in (sys.prefix, sys.base_prefix, _PACKAGE):
        search.installation(prefix)
    return tuple(search.found)


class Search:
    """Collects what belongs to one set of programs, besides what was found already."""

    def __init__(self, home: str, wide: frozenset[str], found: Iterable[str] = ()) -> None:
        self._home = home
        own = {os.path.realpath(os.path.join(home, each)) for each in _WIDE} if os.path.isabs(home) else set()
        self._wide = wide | own
        self._seen: set[str] = set()
        self.found = list(found)

    def folder(self, folder: str) -> None:
        """A folder of PATH, and where each program in it leads to."""
        if not self._take_prefix(folder) or os.path.realpath(folder) in self._seen:
            return
        self._seen.add(os.path.realpath(folder))
        for path in _leading_away(os.path.realpath(folder)):
            self.program(path)

    def program(self, path: str) -> None:
        """An executable file: its installation, and that of the interpreter in its first line."""
        for _ in range(4):  # a script of a script of a script
            real = os.path.realpath(path)
            if not os.path.isfile(real):
                return
            if not self._take_prefix(os.path.dirname(path)) or not self._take_prefix(os.path.dirname(real)):
                self._take(real)
            if not (interpreter := _interpreter(real)):
                return
            path = interpreter

    def installation(self, prefix: str) -> None:
        """A folder that is an installation as a whole; that of a virtual environment has one behind it."""
        if self._is_wide(prefix):
            return
        self._take(prefix)
        for line in _lines(os.path.join(prefix, "pyvenv.cfg")):
            key, _, value = line.partition("=")
            if key.strip() == "home":
                self._take_prefix(value.strip())

    def _take_prefix(self, folder: str) -> bool:
        """Take the installation that a folder of programs belongs to; False when nothing can be."""
        real = os.path.realpath(folder)
        for each in dict.fromkeys((folder, real)):
            head, found, _ = each.partition(f"/{_MODULES}/")
            if found:
                self._take(f"{head}/{_MODULES}")
            elif os.path.basename(each) in OF_PROGRAMS and not self._is_wide(os.path.dirname(each)):
                self.installation(os.path.dirname(each))
            elif self._is_wide(each):
                return False
            else:
                self._take(each)
                self._companions(each)
        return True

    def _companions(self, folder: str) -> None:
        for name, needed in _WITH.items():
            if folder == os.path.join(self._home, name):
                self.found += (os.path.join(self._home, each) for each in needed)

    def _take(self, path: str) -> None:
        if path not in self.found and not _is_systems(path):
            self.found.append(path)

    def _is_wide(self, folder: str) -> bool:
        """Whether a wide folder is this one, or lies in it."""
        real = os.path.realpath(folder).rstrip("/")
        return not real or any(each == real or each.startswith(f"{real}/") for each in self._wide)


def _leading_away(folder: str) -> tuple[str, ...]:
    """The programs in a folder that are links out of it, or scripts with an interpreter of their own."""
    of_system, paths = _is_systems(folder), []
    with os.scandir(folder) as entries:
        for entry, _ in zip(entries, range(_MOST_FILES), strict=False):
            if entry.is_symlink():
                # Most lead to a neighbour or to where alternatives are kept: a full look takes far longer.
                target = os.readlink(entry.path)
                leads = "/" in target and not (of_system and target.startswith(("/usr/", "/lib/")))
                leads = leads and not _is_systems(os.path.realpath(entry.path))
            else:
                leads = not of_system and not _is_systems(_interpreter(entry.path) or "/usr")
            if leads:
                paths.append(entry.path)
    return tuple(paths)


def _called_by(program: str) -> list[str]:
    """The programs that a small shell script names by their whole paths: it may only stand for one."""
    lines = list(_lines(program))
    if not os.path.basename(_interpreter(program)).endswith("sh"):
        return []
    named = dict.fromkeys(path for line in lines[1:] for path in _WHOLE_PATH.findall(line))
    return [path for path in named if os.path.isfile(path)][:_MOST_CALLED]


def _is_systems(path: str) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in SYSTEM)


def _interpreter(path: str) -> str:
    """The absolute path in the first line of a script; empty when it has none."""
    words = next(_lines(path), "").removeprefix("#!").split()
    if not words or not next(_lines(path), "").startswith("#!") or not os.path.isabs(words[0]):
        return ""
    return words[0]


def _lines(path: str) -> Iterator[str]:
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        return
    if not head.startswith(b"\x7fELF"):
        yield from head.decode("utf-8", "replace").splitlines()
