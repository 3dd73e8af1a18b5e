"""Codencer: the system of record between a planner and coding agents.

A task goes in, an agent works in its own checkout under a supervisor, the bridge
snapshots and validates what it left, and a verdict with evidence comes out.
The words used everywhere are defined in `codencer.model`.
"""

__version__ = "0.1.0"

API_VERSION = 1
"""Major version of the HTTP API; client and daemon refuse each other when it differs."""
