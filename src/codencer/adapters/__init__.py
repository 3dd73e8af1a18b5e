"""Adapters: one module per agent, and the registry that finds them by name.

An adapter satisfies `codencer.model.ports.Adapter`. It describes how one agent is started
and reads what that agent printed; it starts nothing, writes nothing and knows no ledger.
Each module has `make(name, settings, checkout)` and is imported only when it is asked for.
A name is looked for among the built-in ones, then the user's commands, then other packages.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from codencer.adapters.plugins import Plugin, load_plugin, plugins
from codencer.errors import NotFound
from codencer.model.ports import Adapter
from codencer.model.step import AdapterSettings, AgentProtocol

_BUILT_IN: Mapping[str, str] = {
    "acp-claude": "codencer.adapters.acp.adapter",
    "acp-codex": "codencer.adapters.acp.adapter",
    "acp-copilot": "codencer.adapters.acp.adapter",
    "acp-gemini": "codencer.adapters.acp.adapter",
    "acp-opencode": "codencer.adapters.acp.adapter",
    "acp-qwen": "codencer.adapters.acp.adapter",
    "aider": "codencer.adapters.aider",
    "claude": "codencer.adapters.claude",
    "codex": "codencer.adapters.codex",
    "copilot": "codencer.adapters.copilot",
    "gemini": "codencer.adapters.gemini",
    "mini-swe-agent": "codencer.adapters.mini_swe_agent",
    "openclaw-acpx": "codencer.adapters.acp.acpx",
    "opencode": "codencer.adapters.opencode",
    "qwen": "codencer.adapters.qwen",
    "simulation": "codencer.adapters.simulation",
}
_OF_THE_USER: Mapping[AgentProtocol, str] = {
    AgentProtocol.COMMAND: "codencer.adapters.command",
    AgentProtocol.ACP: "codencer.adapters.acp.adapter",
}


def names() -> list[str]:
    """Return the names that work without any configuration, sorted."""
    return sorted({*_BUILT_IN, *plugins()})


def is_known(name: str) -> bool:
    """Whether a name works without any configuration; looks for packages only if it is not built in."""
    return name in _BUILT_IN or name in plugins()


def plugin_of(name: str) -> Plugin | None:
    """The other package's adapter of that name, which a built-in one of the same name hides."""
    return plugins().get(name)


def is_built_in(name: str) -> bool:
    """Whether the adapter of that name is always ours."""
    return name in _BUILT_IN


def load(name: str, settings: AdapterSettings | None = None, *, checkout: Path | None = None) -> Adapter:
    """Return the adapter called `name`.

    Args:
        settings: its `[adapters.NAME]` table; one with a command makes any free name usable.
        checkout: where `probe` looks for a command that is given relative to the repository.

    Raises:
        NotFound: neither built in, nor configured with a command, nor offered by a package.
        InvalidInput: the settings do not fit the adapter.
        LaunchFailed: the package that offers it is broken.
    """
    module = _BUILT_IN.get(name)
    if module is None and settings is not None and settings.command:
        module = _OF_THE_USER[settings.protocol]
    if module is None and (plugin := plugins().get(name)) is not None:
        return load_plugin(plugin, settings, checkout)
    if module is None:
        raise NotFound(
            f"there is no adapter {name!r}; there are: {', '.join(names())}. "
            f"A command of your own becomes one with a table [adapters.{name}] and a "
            "`command` in .codencer/config.toml"
        )
    make: Callable[[str, AdapterSettings | None, Path | None], Adapter] = import_module(module).make
    return make(name, settings, checkout)
