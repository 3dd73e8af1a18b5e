"""Programs of the built-in agents: found on PATH, their version read from files; nothing is started.

The version is the one of the npm or Python package that the executable belongs to, wherever
symbolic links and small wrapper scripts lead, or a number in the path it was unpacked under.
It is `""` when no file tells it: a guess would be worse than saying so.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from codencer.errors import InvalidInput
from codencer.model.ports import Probe
from codencer.model.step import AdapterSettings, Approvals, PromptChannel

LARGEST_FILE_BYTES = 1024 * 1024
"""Nothing that names a package or starts an agent is nearly as long."""
_WRAPPERS_FOLLOWED = 3
_PATHS_TRIED = 10
"""Of those that a script names: a wrapper names two or three."""

_VERSION = re.compile(r"\d+(?:\.\d+)+")
_OF_A_PLATFORM = re.compile(r"-(?:linux|darwin|win)\w*(?:-\w+)*$")
"""Some packages of a single platform say so in their version (`0.169.0-linux-x64`)."""
_PATH_IN_SCRIPT = re.compile(
    r""" "([^"\n]*/[^"\n]*)" | '([^'\n]*/[^'\n]*)' | ([^\s"'=;]*/[^\s"';]*) """, re.VERBOSE
)
_OWN_FOLDER = re.compile(r"""\$\(\s*dirname\s+(?:--\s+)?["']?\$\{?0\}?["']?\s*\)|\$\{?basedir\}?""")
"""How wrapper scripts name the folder they lie in."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """The executable of an agent, and what it is shipped in.

    `packages` are names on npm or PyPI; one of a single platform (`NAME-linux-x64`) counts, too. Versions
    from `oldest` to `newest` were measured. `install` is a command that installs it.
    """

    name: str
    packages: tuple[str, ...]
    oldest: str
    newest: str
    install: str

    @property
    def verified(self) -> str:
        return self.oldest if self.oldest == self.newest else f"{self.oldest} to {self.newest}"


def built_in(name: str, settings: AdapterSettings | None, *, asks: bool = False) -> AdapterSettings:
    """The settings of a built-in agent, which are those of no command.

    Args:
        asks: whether it asks before it acts, so that `approvals` mean something.

    Raises:
        InvalidInput: a key is set that only means something for a command of the user's own.
    """
    settings = settings or AdapterSettings(name=name)
    if settings.command:
        raise InvalidInput(
            f"[adapters.{name}] has a command, but {name} is built in: set `program` for another "
            "executable and `arguments` for options, or choose another name for your command"
        )
    if settings.prompt is not PromptChannel.STDIN or settings.success_exit_codes != (0,):
        raise InvalidInput(
            f"[adapters.{name}]: {name} is built in and knows how it takes its prompt and how it ends: "
            "remove `prompt` and `success_exit_codes`"
        )
    if not asks and settings.approvals is not Approvals.ALLOW:
        raise InvalidInput(
            f"[adapters.{name}]: {name} works unasked, so approvals = {settings.approvals.value!r} would "
            f"change nothing; an agent that speaks ACP can ask (acp-{name}, if there is one)"
        )
    return settings


def executable(program: Program, settings: AdapterSettings) -> str:
    """What is started: the program that was set, or the agent's own, found on PATH."""
    return settings.program or program.name


def chooses(settings: AdapterSettings, *options: str) -> bool:
    """Whether the user's own arguments have one of these options; ours is then left out."""
    return any(each.partition("=")[0] in options for each in settings.arguments)


def home(environ: Mapping[str, str]) -> Path:
    """The folder in which agents keep what they know of their user; it need not exist."""
    return Path(environ.get("HOME") or "/nonexistent")


def find(
    program: Program, settings: AdapterSettings, environ: Mapping[str, str], checkout: Path | None
) -> Path | None:
    """The executable file: by its name on PATH or, given with a slash, in the checkout."""
    name = executable(program, settings)
    if "/" in name:
        path = (checkout or Path.cwd()) / name
        return path if path.is_file() and os.access(path, os.X_OK) else None
    found = shutil.which(name, path=environ.get("PATH", os.defpath))
    return None if found is None else Path(found)


def examine(
    program: Program,
    settings: AdapterSettings,
    environ: Mapping[str, str],
    checkout: Path | None,
    *,
    signed_in: bool | None = None,
    sign_in: str = "",
) -> Probe:
    """Everything that can be said of an agent without starting it.

    Args:
        signed_in: False only when it is certain that the agent has nothing to sign in with.
        sign_in: how to mend that, as a sentence that goes on after "it is not signed in: ".
    """
    path = find(program, settings, environ, checkout)
    name = settings.name
    if path is None:
        wanted = executable(program, settings)
        where = "in the checkout" if "/" in wanted else "on PATH"
        return Probe(
            installed=False,
            verified=program.verified,
            signed_in=signed_in,
            problem=f"adapter {name!r}: {wanted!r} was not found {where}; install it "
            f"(`{program.install}`), or set `program` in [adapters.{name}]",
        )
    version = version_of(path, program.packages)
    refused = signed_in is False
    return Probe(
        installed=True,
        version=version,
        verified=program.verified,
        signed_in=signed_in,
        warnings=_doubts(program, version),
        problem=f"adapter {name!r}: {path} is there, but it is not signed in: {sign_in}" if refused else "",
    )


def _doubts(program: Program, version: str) -> tuple[str, ...]:
    if not version:
        what = "its version cannot be told from its files"
    elif not _numbers(program.oldest) <= _numbers(version) <= _numbers(program.newest):
        what = f"version {version} was not tried"
    else:
        return ()
    return (f"{what}; how it behaves was measured with {program.verified}",)


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, without zeros at its end and without what follows a hyphen."""
    found = _VERSION.match(version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def version_of(path: Path, packages: tuple[str, ...]) -> str:
    """The version of the package that an executable belongs to, `""` if no file tells it."""
    seen = [path]
    for place in seen:
        real = Path(os.path.realpath(place))
        version = _of_npm(real, packages) or _of_python(place, packages) or _of_path(real)
        if version:
            return version
        if len(seen) <= _WRAPPERS_FOLLOWED:
            seen += [each for each in _named_in(real) if each not in seen]
    return ""


def _of_npm(path: Path, packages: tuple[str, ...]) -> str:
    """From the nearest package.json above that is the one of the agent's package."""
    for folder in path.parents:
        try:
            package = json.loads(_text(folder / "package.json") or "{}")
        except (ValueError, RecursionError):
            continue
        if not isinstance(package, dict):
            continue
        name, version = package.get("name"), package.get("version")
        if isinstance(name, str) and isinstance(version, str) and _is_one_of(name, packages):
            return _OF_A_PLATFORM.sub("", version)
    return ""


def _is_one_of(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}-") for package in packages)


def _of_python(path: Path, packages: tuple[str, ...]) -> str:
    """From the METADATA in the environment of the script's interpreter, or in the one the script lies in."""
    names = [_normal(package) for package in packages]
    # The interpreter is not resolved: in a virtual environment it is a link that leads out of it.
    places = chain(_interpreters(path), (path, Path(os.path.realpath(path))))
    for root in dict.fromkeys(place.parent.parent for place in places):
        for found in root.glob("lib/python*/*-packages/*.dist-info"):
            version = re.search(r"^Version:\s*(\S+)", _metadata(found, names), re.MULTILINE)
            if version:
                return version[1]
    return ""


def _metadata(folder: Path, names: list[str]) -> str:
    name, _, _ = folder.name.removesuffix(".dist-info").rpartition("-")
    return _text(folder / "METADATA") if _normal(name) in names else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _interpreters(script: Path) -> Iterator[Path]:
    """The Pythons named at the beginning of a script; a long path stands in its second line."""
    text = _text(script)
    if text.startswith("#!"):
        beginning = "\n".join(text[2:].split("\n", 2)[:2])
        for place in _paths_in(beginning):
            if place.name.startswith("python"):
                yield place


def _named_in(script: Path) -> list[Path]:
    """The files that a small script names, as wrappers name what they start."""
    text = _text(script)
    if not text.startswith("#!"):
        return []
    named = _OWN_FOLDER.sub("$basedir", text.partition("\n")[2])
    own = os.fspath(script.parent)
    return [place for place in _paths_in(named.replace("$basedir", own)) if place.is_file()][:_PATHS_TRIED]


def _paths_in(text: str) -> Iterator[Path]:
    for words in _PATH_IN_SCRIPT.findall(text):
        place = Path("".join(words))
        if place.is_absolute() and "\0" not in place.name:
            yield place


def _of_path(path: Path) -> str:
    """The version of a program that was unpacked under its version, as `…/versions/2.1.330` is."""
    return next((part for part in reversed(path.parts) if _VERSION.fullmatch(part)), "")


def _text(path: Path) -> str:
    """The text of a regular file that is not too long, else nothing."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_FILE_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
