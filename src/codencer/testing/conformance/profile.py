"""A profile: what the suite has to know of one agent to drive it, as TOML (docs/conformance.md).

How the agent is pointed at the scripted model, what it tells of itself, which cases do not apply to it
and why, and in which of them it is known to behave in its own way. A reason is required for each of
these; an unknown key, case or fact is an error. In values `$url` is the model's address and `$home` the
agent's home folder.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from string import Template

from codencer.errors import InvalidInput, NotFound
from codencer.model.attempt import ErrorKind
from codencer.model.codec import DecodeError, decode
from codencer.model.step import StepState


class Speaks(StrEnum):
    """How the agent is told what to do."""

    MODEL = "model"
    """It asks a model, which is the scripted one."""
    TOKEN = "token"
    """It reads the script's token in its prompt itself, as agents made for tests do."""
    DIRECTIVES = "directives"
    """It is the scripted agent of the house: lines of `simulate:`."""


class Fact(StrEnum):
    """What an agent tells of itself besides its words; each is checked where it is claimed."""

    VERSION = "version"
    SESSION = "session"
    MODEL = "model"
    TOKENS = "tokens"
    COST = "cost"
    TOOLS = "tools"
    ERRORS = "errors"
    """An event of kind `error` when the model fails it."""


class AtWork(StrEnum):
    """When an agent can be caught in the middle of something."""

    TOOL = "tool"
    MODEL = "model"
    """It has no tools; it is caught while the model thinks."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """How a case ends with this agent where that differs from what is usual; any of the named ones."""

    because: str
    states: tuple[StepState, ...] = ()
    error_kinds: tuple[ErrorKind, ...] = ()
    seconds: int = 0
    """The step's time limit in this case, for one that takes longer than usual to give up."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """`settings` are its `[adapters.NAME]` table, `refusing` the same for the case in which it is denied
    a permission. One that `asks` asks for what it wants to do, where its `approvals` say so."""

    adapter: str
    about: str = ""
    program: str = ""
    """What has to be on PATH; without it nothing is run, and nothing is passed."""
    speaks: Speaks = Speaks.MODEL
    at_work: AtWork = AtWork.TOOL
    tells: tuple[Fact, ...] = ()
    resumes: bool = False
    asks: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str | int | bool | tuple[str, ...]] = field(default_factory=dict)
    refusing: dict[str, str | int | bool | tuple[str, ...]] = field(default_factory=dict)
    skips: dict[str, str] = field(default_factory=dict)
    expect: dict[str, Expectation] = field(default_factory=dict)

    def tells_of(self, fact: Fact) -> bool:
        return fact in self.tells


def shipped() -> list[str]:
    """The names of the profiles that come with the package, sorted."""
    names = (each.name for each in files(__package__).joinpath("profiles").iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load(name: str, cases: Iterable[str]) -> Profile:
    """Return a shipped profile by its name, or one of a file by its path.

    Raises:
        NotFound: there is none.
        InvalidInput: it cannot be read, or does not fit; the message says where.
    """
    if name in shipped():
        return parse(files(__package__).joinpath("profiles", f"{name}.toml").read_text("utf-8"), name, cases)
    try:
        return parse(Path(name).read_text(encoding="utf-8"), name, cases)
    except FileNotFoundError as problem:
        raise NotFound(
            f"there is no profile {name!r}: give the path of a TOML file, or one of {', '.join(shipped())}"
        ) from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise InvalidInput(f"{name} cannot be read: {problem}") from problem


def parse(text: str, place: str, cases: Iterable[str]) -> Profile:
    """Raises InvalidInput; `place` names the source in its message."""
    try:
        profile = decode(Profile, tomllib.loads(text))
    except (tomllib.TOMLDecodeError, DecodeError) as problem:
        raise InvalidInput(f"{place}: {problem}") from problem
    known = set(cases)
    if unknown := (profile.skips.keys() | profile.expect.keys()) - known:
        raise InvalidInput(
            f"{place}: there is no case {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
        )
    reasons = [*profile.skips.values(), *(each.because for each in profile.expect.values())]
    if not all(reason.strip().endswith(".") for reason in reasons):
        raise InvalidInput(f"{place}: each reason is a sentence, which ends with a full stop")
    return profile


def filled(text: str, *, url: str, home: Path) -> str:
    """A value with the model's address and the home folder in it; any other `$` stays."""
    return Template(text).safe_substitute(url=url, home=home)
