"""What adapters there are, and whether each can be used here."""

import os
from typing import Any

from codencer import adapters as registry
from codencer.config import Config
from codencer.engine.assignment import surroundings


def adapters(config: Config) -> list[dict[str, Any]]:
    """One row an adapter: name, whether it is built in or configured, and what its probe says."""
    rows = []
    for name in sorted({*registry.names(), *config.adapters}):
        configured = config.adapters.get(name)
        adapter = registry.load(
            name, configured.settings if configured else None, checkout=config.repository.top
        )
        probe = adapter.probe(surroundings(os.environ, config.private_environment()))
        rows.append(
            {
                "name": name,
                "source": configured.origin if configured else "built in",
                "command": list(adapter.settings.command),
                "installed": probe.installed,
                "version": probe.version,
                "problem": probe.problem,
                "verified": probe.verified,
                "signed_in": probe.signed_in,
                "warnings": list(probe.warnings),
            }
        )
    return rows
