"""Where settings come from: flags, the environment, `.env`, the project's file, the user's.

Each source becomes a layer: what it gives, by name of the setting, as checked values with
their place. A value is checked in every layer, also where another layer wins.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from codencer.config.dotenv import Entry
from codencer.config.settings import SETTINGS, FromProject, Setting
from codencer.config.toml import Document
from codencer.errors import InvalidInput
from codencer.locate import Repository

BINARY = "_BINARY"
SIMULATION = "_SIMULATION_MODE"


class Level(StrEnum):
    """Strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    DOTENV = "dotenv"
    PROJECT = "project"
    USER = "user"


@dataclass(frozen=True)
class Given:
    value: object
    level: Level
    place: str


Layer = Mapping[str, Given]


def from_flags(flags: Mapping[str, str], repository: Repository) -> Layer:
    """Return the layer of the command line; keys are names of settings."""
    layer = {}
    for name, text in flags.items():
        place = f"--{name.replace('_', '-')}"
        if name not in SETTINGS:
            raise InvalidInput(f"{place}: unknown setting{_hint(name)}")
        layer[name] = _given(SETTINGS[name], text, Level.FLAG, place, repository)
    return layer


def from_environment(environ: Mapping[str, str], repository: Repository) -> Layer:
    """Return the layer of the process's environment; an empty variable counts as not set."""
    layer = {}
    for name, setting in SETTINGS.items():
        variable = next((each for each in setting.variables if environ.get(each, "")), None)
        if variable is not None:
            place = f"environment variable {variable}"
            layer[name] = _given(setting, environ[variable], Level.ENVIRONMENT, place, repository)
    return layer


def from_dotenv(entries: Mapping[str, Entry], path: str, repository: Repository) -> Layer:
    """Return the layer of a marked `.env`."""
    layer: dict[str, Given] = {}
    names = {variable: setting for setting in SETTINGS.values() for variable in setting.variables}
    # Within one setting the newer variable wins, as in the environment.
    for variable, entry in sorted(entries.items(), key=lambda item: item[0].startswith("CODENCER_")):
        place = f"{path}:{entry.line}: {variable}"
        if variable in names and entry.value:
            setting = names[variable]
            layer[setting.name] = _given(setting, entry.value, Level.DOTENV, place, repository)
        elif variable not in names and not variable.endswith((BINARY, SIMULATION)):
            raise InvalidInput(
                f"{place}: unknown setting; values for agents belong into the file `env` of the user's "
                "config directory, and a .env of the project's own does not begin with `# codencer`"
            )
    return layer


def from_document(document: Document, level: Level, repository: Repository) -> Layer:
    """Return the layer of a TOML file."""
    layer = {}
    for name, value in document.table.items():
        if name == "adapters":
            continue
        place = document.place(name)
        if name not in SETTINGS:
            raise InvalidInput(f"{place}: unknown key{_hint(name)}")
        layer[name] = _given(SETTINGS[name], value, level, place, repository, is_text=False)
    return layer


def _given(
    setting: Setting,
    value: object,
    level: Level,
    place: str,
    repository: Repository,
    *,
    is_text: bool = True,
) -> Given:
    try:
        raw = setting.kind.parse(value) if is_text and isinstance(value, str) else value
        checked = setting.kind.check(raw)
        _refuse_from_project(setting, checked, level, repository)
    except InvalidInput as problem:
        raise type(problem)(f"{place}: {problem}") from problem
    return Given(checked, level, place)


def _refuse_from_project(setting: Setting, value: object, level: Level, repository: Repository) -> None:
    if level not in {Level.DOTENV, Level.PROJECT} or setting.project is FromProject.FREELY:
        return
    if setting.project is FromProject.NEVER or level is Level.PROJECT:
        raise InvalidInput(
            "a file of the repository may not set this, because anybody may have written it: "
            f"use your own config.toml, the variable {setting.variables[0]} or the command line"
        )
    problem = setting.narrow(str(value), repository)
    if problem is not None:
        raise InvalidInput(problem)


def _hint(name: str) -> str:
    import difflib  # only wanted when something is wrong already

    close = difflib.get_close_matches(name, (*SETTINGS, "adapters"), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
