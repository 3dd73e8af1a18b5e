"""What adapters there are, and whether each can be used here.

A broken one is a row with a problem, and keeps nobody from seeing the others.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

from codencer import adapters as registry
from codencer.config import Config
from codencer.engine import homes
from codencer.engine.assignment import surroundings
from codencer.engine.selection import settings_of
from codencer.errors import CodencerError
from codencer.model.ports import Probe

_RANGE = re.compile(r"(\S+)(?: to (\S+))?\Z")
_VERSION = re.compile(r"\d+(?:\.\d+)*")


def adapters(config: Config) -> list[dict[str, Any]]:
    """One row an adapter: name, where it comes from, and what its probe says."""
    environ = surroundings(os.environ, config.private_environment())
    return [_row(config, name, environ) for name in sorted({*registry.names(), *config.adapters})]


def _row(config: Config, name: str, environ: Mapping[str, str]) -> dict[str, Any]:
    settings = settings_of(config, name)
    command = settings.command
    try:
        adapter = registry.load(name, settings, checkout=config.repository.top)
        command = adapter.settings.command
        if adapter.settings.isolated_home:
            # As empty as the one that a step is going to have.
            empty = homes.variables(config.workspace_root / "homes")
            environ = homes.without_homes(environ, adapter.settings.env) | empty
        probe = adapter.probe(environ)
    except (CodencerError, OSError) as problem:
        probe = Probe(installed=False, problem=str(problem))
    return {
        "name": name,
        "source": _source(config, name),
        "command": list(command),
        "program": settings.program,
        "usable": probe.installed and not probe.problem,
        "installed": probe.installed,
        "version": probe.version,
        "verified": probe.verified,
        "version_verified": is_inside(probe.version, probe.verified),
        "signed_in": probe.signed_in,
        "problem": probe.problem,
        "warnings": [*probe.warnings, *_hidden(name)],
    }


def _source(config: Config, name: str) -> str:
    configured, plugin = config.adapters.get(name), registry.plugin_of(name)
    if registry.is_built_in(name):
        source = "built in"
    elif configured is not None and configured.settings.command:
        return configured.origin
    else:
        source = plugin.source if plugin is not None else "nowhere"
    return f"{source}, set in {configured.origin}" if configured is not None else source


def _hidden(name: str) -> list[str]:
    """That a package offers an adapter under a name which is ours."""
    plugin = registry.plugin_of(name) if registry.is_built_in(name) else None
    return [f"{plugin.source} offers an adapter of this name, too: it is never used"] if plugin else []


def is_inside(version: str, verified: str) -> bool | None:
    """Whether a version is within a range in words (`2.1 to 2.4`); None when one of them is not known."""
    found, tried = _RANGE.match(verified), _numbers(version)
    if found is None or not tried:
        return None
    oldest, newest = _numbers(found[1]), _numbers(found[2] or found[1])
    return oldest <= tried <= newest if oldest and newest else None


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers a version begins with, without zeros at their end."""
    found = _VERSION.match(version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
