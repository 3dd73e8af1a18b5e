"""Reads every source and decides: the strongest layer that gives a setting wins."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from codencer.config import dotenv, toml
from codencer.config.adapters import ConfiguredAdapter, read_adapters
from codencer.config.config import Binary, Config
from codencer.config.kinds import Switch
from codencer.config.settings import PER_SUBMISSION, SETTINGS
from codencer.config.sources import (
    BINARY,
    SIMULATION,
    Given,
    Layer,
    Level,
    from_document,
    from_dotenv,
    from_environment,
    from_flags,
)
from codencer.errors import InvalidInput
from codencer.locate import Repository, state_dir, user_config_dir, user_state_dir

_OURS = "CODENCER_"


def load(
    repository: Repository,
    *,
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Return the settings for `repository`.

    Args:
        flags: names of settings to the text given on the command line.

    Raises:
        InvalidInput: a value is wrong, unknown or not allowed where it stands; NotSupported
            for one that would have no effect yet.
    """
    path = repository.top / ".env"
    entries = dotenv.read_marked(path)
    fixed = (
        from_flags(flags or {}, repository),
        from_environment(environ, repository),
        from_dotenv(entries, str(path), repository),
    )
    config_dir = user_config_dir(environ)
    files, adapters = _files(repository.top, config_dir, repository)
    found = {name: _strongest(name, (*fixed, *files)) for name in SETTINGS}
    values: dict[str, Any] = _values(found) | _paths(found, repository, environ)
    return Config(
        repository=repository,
        state_dir=state_dir(repository.common_dir),
        config_dir=config_dir,
        simulated=_simulated(environ, entries, path),
        binaries=_binaries(environ, entries, path),
        adapters=adapters,
        origins=_origins(found),
        fixed=fixed,
        **values,
    )


def start_folder(
    cwd: Path, *, flags: Mapping[str, str] | None = None, environ: Mapping[str, str] = os.environ
) -> Path:
    """Where to look for the repository: the setting repo_root where it is given, else `cwd`."""
    candidates = [(flags or {}).get("repo_root", "")]
    candidates += [environ.get(variable, "") for variable in SETTINGS["repo_root"].variables]
    return cwd / next((Path(text).expanduser() for text in candidates if text), Path())


def for_checkout(config: Config, checkout: Path) -> Config:
    """Return `config` with what a submission from `checkout` sees there now.

    Adapters, default_adapter, default_policy and scope_watch are read again; all else stays.

    Raises:
        InvalidInput: a file of settings is wrong.
    """
    files, adapters = _files(checkout, config.config_dir, config.repository)
    found = {name: _strongest(name, (*config.fixed, *files)) for name in PER_SUBMISSION}
    kept = {name: place for name, place in config.origins.items() if name not in found}
    values: dict[str, Any] = _values(found)
    return replace(config, adapters=adapters, origins=kept | _origins(found), **values)


def _files(
    checkout: Path, config_dir: Path, repository: Repository
) -> tuple[tuple[Layer, Layer], Mapping[str, ConfiguredAdapter]]:
    """What the project's file and the user's say; the project's wins."""
    project = toml.read(checkout / ".codencer" / "config.toml")
    user = toml.read(config_dir / "config.toml")
    layers = (
        from_document(project, Level.PROJECT, repository),
        from_document(user, Level.USER, repository),
    )
    adapters = {**read_adapters(user, needs_trust=False), **read_adapters(project, needs_trust=True)}
    return layers, adapters


def _values(found: Mapping[str, Given | None]) -> dict[str, object]:
    return {name: given.value if given else SETTINGS[name].default for name, given in found.items()}


def _origins(found: Mapping[str, Given | None]) -> dict[str, str]:
    return {name: given.place for name, given in found.items() if given}


def _strongest(name: str, layers: tuple[Layer, ...]) -> Given | None:
    return next((layer[name] for layer in layers if name in layer), None)


def _paths(
    found: Mapping[str, Given | None], repository: Repository, environ: Mapping[str, str]
) -> dict[str, Path]:
    state = state_dir(repository.common_dir)
    paths = {
        "db_path": state / "codencer.db",
        "artifact_root": state / "artifacts",
        "workspace_root": user_state_dir(environ),
    }
    for name in paths:
        given = found[name]
        if given is not None:
            paths[name] = _absolute(given, repository)
    given = found["workspace_root"]
    root = Path(os.path.realpath(paths["workspace_root"]))
    if given is not None and root.is_relative_to(repository.top):
        raise InvalidInput(
            f"{given.place}: {root} is inside the repository, where tools and agents that walk up "
            "the tree would meet the user's checkout: choose a folder outside"
        )
    return paths | {"repo_root": repository.top}


def _absolute(given: Given, repository: Repository) -> Path:
    """Relative paths start at the checkout, so that they mean the same in every folder of it."""
    path = Path(str(given.value)).expanduser()
    if given.level is Level.USER and not path.is_absolute():
        raise InvalidInput(f"{given.place}: {path} must be an absolute path, or begin with ~")
    return repository.top / path


def _named(
    environ: Mapping[str, str], entries: Mapping[str, dotenv.Entry], path: Path, suffix: str
) -> dict[str, tuple[str, Given]]:
    """Variables `<ADAPTER><suffix>` by adapter; CODENCER_ in front wins, and so does the environment."""
    known = {variable for setting in SETTINGS.values() for variable in setting.variables}
    from_file = {
        name: Given(entry.value, Level.DOTENV, f"{path}:{entry.line}: {name}")
        for name, entry in entries.items()
    }
    outer = {
        name: Given(value, Level.ENVIRONMENT, f"environment variable {name}")
        for name, value in environ.items()
    }
    found: dict[str, tuple[str, Given]] = {}
    for source in (from_file, outer):
        for name in sorted(source, key=lambda each: each.startswith(_OURS)):
            adapter = name.removeprefix(_OURS).removesuffix(suffix)
            if name.endswith(suffix) and adapter and name not in known and source[name].value:
                found[adapter] = (name, source[name])
    return found


def _binaries(
    environ: Mapping[str, str], entries: Mapping[str, dotenv.Entry], path: Path
) -> dict[str, Binary]:
    return {
        adapter: Binary(
            variable=name,
            path=str(given.value),
            origin=given.place,
            needs_trust=given.level is Level.DOTENV,
        )
        for adapter, (name, given) in _named(environ, entries, path, BINARY).items()
    }


def _simulated(environ: Mapping[str, str], entries: Mapping[str, dotenv.Entry], path: Path) -> dict[str, str]:
    simulated = {}
    for adapter, (_, given) in _named(environ, entries, path, SIMULATION).items():
        try:
            if Switch().parse(str(given.value)):
                simulated[adapter] = given.place
        except InvalidInput as problem:
            raise InvalidInput(f"{given.place}: {problem}") from problem
    return simulated
