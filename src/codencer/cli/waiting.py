"""Waiting in front of a person: the status line, ^C, and what is said when the wait ends early."""

import sys
from typing import Any, NoReturn

import click

from codencer.cli.exits import INTERRUPTED
from codencer.cli.face import Face
from codencer.client.daemon import Daemon, path
from codencer.client.events import Seen
from codencer.client.wait import wait_for_step
from codencer.model.waiting import ABOUT_TO_BEGIN

MOST_SHOWN = 10
"""Paths of a longer list, the newest ones."""


def settle(face: Face, daemon: Daemon, step_id: str, timeout: float | None = None) -> dict[str, Any]:
    """Return the step once it is settled, with a live line on a terminal; any address will do.

    Raises:
        WaitTimeout: it is not settled yet. click.exceptions.Exit: the person pressed ^C.
    """

    def away() -> None:
        face.hint("the daemon went away; waiting for it to come back (the step's agent goes on)")

    def waits(why: str) -> None:
        if why != ABOUT_TO_BEGIN:
            face.hint(f"it waits: {why}")

    def tell(seen: Seen) -> None:
        tell_asked(face, daemon, seen)
        tell_strayed(face, seen)

    try:
        if not sys.stderr.isatty():
            kinds = ("question.asked", "scope.watched", "agent.halted")
            return wait_for_step(
                daemon, step_id, timeout=timeout, watch=tell, kinds=kinds, away=away, waits=waits
            )
        from codencer.cli.live import StatusLine

        with StatusLine(daemon, step_id, tell) as line:
            return wait_for_step(
                daemon, step_id, timeout=timeout, watch=line.watch, away=line.away, waits=line.waits
            )
    except KeyboardInterrupt:
        interrupted(face, f"step {step_id} goes on", f"codencer step wait {step_id}", step_id)


def tell_asked(face: Face, daemon: Daemon, seen: Seen) -> None:
    """Say that the agent asks something, if a person has to answer it and nobody has yet."""
    if seen.kind != "question.asked" or not seen.record["body"]["waits"]:
        return
    step, asked = seen.record["step_id"], seen.record["body"]["question_id"]
    for each in daemon.get(path("steps", step, "questions")):
        if each["id"] == asked and each["state"] == "open":
            face.hint(f"its agent asks: {each['text']}")
            face.hint(f"to answer: codencer step answer {step} allow|deny --question {asked}")


def tell_strayed(face: Face, seen: Seen) -> None:
    """Say that the agent left its scope, or why it is stopped."""
    if seen.kind == "scope.watched":
        report = seen.record["body"]["report"]
        if report["paths"]:
            face.hint(f"its agent changed out of its scope: {', '.join(report['paths'][-MOST_SHOWN:])}")
        if report["problem"]:
            face.hint(f"the watch over its scope does not see everything: {report['problem']}")
    elif seen.kind == "agent.halted":
        face.hint(f"its agent is stopped: {seen.record['body']['halt']['reason']}")


def interrupted(face: Face, what: str, command: str, identifier: str) -> NoReturn:
    """End with 130 and say that the work goes on."""
    message = f"interrupted while waiting; {what}: `{command}` waits again"
    if face.json:
        face.document({"error": "interrupted", "message": message, "status": None, "id": identifier})
    face.hint(message)
    raise click.exceptions.Exit(INTERRUPTED)
