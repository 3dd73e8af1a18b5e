"""Waiting in front of a person: the status line, ^C, and what is said when the wait ends early."""

import sys
from typing import Any, NoReturn

import click

from codencer.cli.exits import INTERRUPTED
from codencer.cli.face import Face
from codencer.client.daemon import Daemon
from codencer.client.wait import wait_for_step


def settle(face: Face, daemon: Daemon, step_id: str, timeout: float | None = None) -> dict[str, Any]:
    """Return the step once it is settled, with a live line on a terminal; any address will do.

    Raises:
        WaitTimeout: it is not settled yet. click.exceptions.Exit: the person pressed ^C.
    """

    def away() -> None:
        face.hint("the daemon went away; waiting for it to come back (the step's agent goes on)")

    try:
        if not sys.stderr.isatty():
            return wait_for_step(daemon, step_id, timeout=timeout, away=away)
        from codencer.cli.live import StatusLine

        with StatusLine(daemon, step_id) as line:
            return wait_for_step(daemon, step_id, timeout=timeout, watch=line.watch, away=line.away)
    except KeyboardInterrupt:
        interrupted(face, f"step {step_id} goes on", f"codencer step wait {step_id}", step_id)


def interrupted(face: Face, what: str, command: str, identifier: str) -> NoReturn:
    """End with 130 and say that the work goes on."""
    message = f"interrupted while waiting; {what}: `{command}` waits again"
    if face.json:
        face.document({"error": "interrupted", "message": message, "status": None, "id": identifier})
    face.hint(message)
    raise click.exceptions.Exit(INTERRUPTED)
