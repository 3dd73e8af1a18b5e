"""The two commands: `install` fetches the agents, `run` installs and then tries every adapter on them."""

import argparse
import sys
from collections.abc import Sequence

from tests.agents.catalogue import programs
from tests.agents.install import install


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parse(arguments)
    if unknown := set(given.names) - programs().keys():
        raise SystemExit(f"agents: unknown: {', '.join(sorted(unknown))}; known: {', '.join(programs())}")
    missing = install(given.names)
    for name, reason in missing.items():
        sys.stdout.write(f"not installed: {name}: {reason}\n")
    return 1 if missing else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="agents", description="The real agents: fetch them, try them.")
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("install", help="fetch what is missing; 1 when something could not be")
    fetch.add_argument("names", nargs="*", metavar="NAME", help="this one alone; may be repeated")
    return parser.parse_args(arguments)
