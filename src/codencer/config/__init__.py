"""Settings: one frozen `Config`, and where each of its values came from.

Flags win over the environment, that over a `.env` marked as ours, that over the project's
`.codencer/config.toml`, that over the user's `config.toml`, that over the defaults. What
comes out of the repository (`.env` and the project's file) may not weaken the user's
safety: see `settings.FromProject`. Nothing is ever ignored: an unknown key, a wrong value
or a setting that has no effect yet is an error that names its place.
"""

from codencer.config.adapters import ConfiguredAdapter
from codencer.config.config import Binary, Config, show
from codencer.config.kinds import AtOnce
from codencer.config.load import for_checkout, load, start_folder

__all__ = [
    "AtOnce",
    "Binary",
    "Config",
    "ConfiguredAdapter",
    "for_checkout",
    "load",
    "show",
    "start_folder",
]
