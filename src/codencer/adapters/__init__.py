"""Adapters: one module per agent, and the registry that finds them by name.

An adapter satisfies `codencer.model.ports.Adapter`. It describes how one agent is started
and reads what that agent printed; it starts nothing, writes nothing and knows no ledger.
Each module has `make(name, settings, checkout)` and is imported only when it is asked for.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from codencer.errors import NotFound
from codencer.model.ports import Adapter
from codencer.model.step import AdapterSettings

_BUILT_IN: Mapping[str, str] = {
    "aider": "codencer.adapters.aider",
    "claude": "codencer.adapters.claude",
    "codex": "codencer.adapters.codex",
    "copilot": "codencer.adapters.copilot",
    "gemini": "codencer.adapters.gemini",
    "mini-swe-agent": "codencer.adapters.mini_swe_agent",
    "opencode": "codencer.adapters.opencode",
    "qwen": "codencer.adapters.qwen",
    "simulation": "codencer.adapters.simulation",
}
_OF_THE_USER = "codencer.adapters.command"


def names() -> list[str]:
    """Return the names that work without any configuration, sorted."""
    return sorted(_BUILT_IN)


def load(name: str, settings: AdapterSettings | None = None, *, checkout: Path | None = None) -> Adapter:
    """Return the adapter called `name`.

    Args:
        settings: its `[adapters.NAME]` table; one with a command makes any free name usable.
        checkout: where `probe` looks for a command that is given relative to the repository.

    Raises:
        NotFound: neither built in nor configured with a command.
        InvalidInput: the settings do not fit the adapter.
    """
    module = _BUILT_IN.get(name)
    if module is None and settings is not None and settings.command:
        module = _OF_THE_USER
    if module is None:
        raise NotFound(
            f"there is no adapter {name!r}; built in: {', '.join(names())}. "
            f"A command of your own becomes one with a table [adapters.{name}] and a "
            "`command` in .codencer/config.toml"
        )
    make: Callable[[str, AdapterSettings | None, Path | None], Adapter] = import_module(module).make
    return make(name, settings, checkout)
