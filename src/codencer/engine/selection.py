"""Which adapter a task gets, and what was asked for."""

from dataclasses import replace

from codencer import adapters
from codencer.config import Config
from codencer.errors import InvalidInput
from codencer.model.step import SIMULATION, AdapterSettings
from codencer.model.task import TaskSpec


def select_adapter(config: Config, task: TaskSpec, wanted: str | None = None) -> tuple[str, AdapterSettings]:
    """The adapter's name as requested, and the settings of the one that will be started.

    In simulation the scripted agent takes the place of the requested one, and of nothing else.

    Raises:
        InvalidInput: no adapter was named and none is the default, or the name is unknown.
    """
    simulated = task.is_simulation or config.simulation
    requested = wanted or task.adapter_profile or config.default_adapter
    if not requested:
        if not simulated:
            known = ", ".join(sorted({*adapters.names(), *config.adapters}))
            raise InvalidInput(
                "the task names no adapter (adapter_profile) and there is no default_adapter; "
                f"known adapters: {known}"
            )
        requested = SIMULATION
    configured = config.adapters.get(requested)
    if configured is None and not adapters.is_known(requested):
        known = ", ".join(sorted({*adapters.names(), *config.adapters}))
        raise InvalidInput(f"unknown adapter {requested!r}; known adapters: {known}")
    if simulated or config.simulates(requested):
        return requested, settings_of(config, SIMULATION)
    return requested, settings_of(config, requested)


def settings_of(config: Config, name: str) -> AdapterSettings:
    """The settings of an adapter: its table, with another executable where one is set (`CODEX_BINARY`)."""
    configured, binary = config.adapters.get(name), config.binary(name)
    settings = configured.settings if configured else AdapterSettings(name=name)
    return settings if binary is None else replace(settings, program=binary.path)
