"""The frozen settings of one daemon or command."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codencer.config.adapters import ConfiguredAdapter
from codencer.config.dotenv import read_private
from codencer.config.kinds import AtOnce
from codencer.config.settings import SETTINGS
from codencer.config.sources import Layer
from codencer.errors import NotFound
from codencer.locate import Repository


@dataclass(frozen=True, kw_only=True)
class Binary:
    """Another executable for an agent that is known already (`CODEX_BINARY=…`)."""

    variable: str
    path: str
    origin: str
    needs_trust: bool


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every setting, as found when it was loaded; `origin` says where each was set.

    `url` is the daemon a client was told to talk to, instead of the repository's own.
    `simulated` are the stems of adapters that are simulated, each with where it was set.
    `fixed` are the layers that no checkout can change, strongest first.
    """

    repository: Repository
    state_dir: Path
    config_dir: Path
    host: str
    port: int
    url: str | None
    log_level: str
    db_path: Path
    artifact_root: Path
    workspace_root: Path
    repo_root: Path
    default_adapter: str | None
    default_policy: str
    max_parallel: AtOnce
    memory_floor_mb: int
    memory_cap_mb: int
    scope_watch: str
    retention_days: int
    gate_days: int
    grace_seconds: int
    max_output_bytes: int
    trust: str
    sandbox: str
    simulation: bool
    simulated: Mapping[str, str]
    binaries: Mapping[str, Binary]
    adapters: Mapping[str, ConfiguredAdapter]
    origins: Mapping[str, str]
    fixed: tuple[Layer, ...] = field(repr=False, compare=False)

    def origin(self, name: str) -> str:
        """Where a setting was set: a flag, a variable, a file with line, or `default`."""
        if name not in SETTINGS:
            raise NotFound(f"there is no setting {name!a}; known: {', '.join(SETTINGS)}")
        return self.origins.get(name, "default")

    def simulates(self, adapter: str) -> bool:
        """Whether the scripted agent replaces that adapter's."""
        return self.simulation or stem(adapter) in self.simulated

    def binary(self, adapter: str) -> Binary | None:
        """The executable set for that adapter, if any."""
        return self.binaries.get(stem(adapter))

    def workspaces(self, instance_id: str) -> Path:
        """The folder of an instance's workspaces and trash."""
        return self.workspace_root / instance_id

    def private_environment(self) -> Mapping[str, str]:
        """The values of the user's private file `env`, read now.

        Raises:
            Forbidden: others may read it.
        """
        return read_private(self.config_dir / "env")


def stem(adapter: str) -> str:
    """An adapter's name as it stands in variables: `openclaw-acpx` is `OPENCLAW_ACPX`."""
    return adapter.upper().replace("-", "_").replace(".", "_")


def show(config: Config) -> list[tuple[str, str, str]]:
    """Every setting as (name, value, origin), for people; an unset value is empty."""
    rows = [(name, _text(getattr(config, name)), config.origin(name)) for name in SETTINGS]
    for name, adapter in sorted(config.adapters.items()):
        rows.append((f"adapters.{name}", " ".join(adapter.settings.command), adapter.origin))
    rows += [(binary.variable, binary.path, binary.origin) for _, binary in sorted(config.binaries.items())]
    rows += [(f"{name}_SIMULATION_MODE", "true", origin) for name, origin in sorted(config.simulated.items())]
    return rows


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
