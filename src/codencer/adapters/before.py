"""What an attempt is told of an earlier one of the same step, as sections of its prompt.

Pure and bounded. Words of an agent and output of a check are quoted, so that none of them is
taken for a part of the task. What is left out on purpose (hidden validations) never gets here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codencer.adapters.lines import printable

SAID_CHARACTERS = 2000
REASON_CHARACTERS = 600
PATHS = 50
CHECKS = 5
OUTPUT_LINES = 40
OUTPUT_CHARACTERS = 2000


@dataclass(frozen=True, kw_only=True)
class FailedCheck:
    """A validation that did not pass: what it said, in a line, and the end of what it printed."""

    name: str
    command: str
    how: str
    output: str = ""


@dataclass(frozen=True, kw_only=True)
class Before:
    """An earlier attempt. `reason` and `failed` tell nothing of hidden validations.

    `said` are the agent's own last words, `changed` its changed files in a line each, of `changes` in
    all. With `kept` the new workspace begins from what it left, else from the base again.
    """

    number: int
    verdict: str
    reason: str = ""
    said: str = ""
    changed: tuple[str, ...] = ()
    changes: int = 0
    failed: tuple[FailedCheck, ...] = ()
    kept: bool = False


@dataclass(frozen=True, kw_only=True)
class Continuation:
    """What an attempt takes up of earlier ones. `before` is None when there is nothing to tell; with
    `session_id` its agent remembers that attempt, because its conversation goes on."""

    before: Before | None = None
    session_id: str | None = None


NOTHING = Continuation()
"""Of a first attempt."""


def report(before: Before) -> list[str]:
    """The sections for an agent that knows nothing of it."""
    where = "Its changes are in your workspace." if before.kept else "Its changes are not in your workspace."
    sections = [
        f"## An earlier attempt\n\n{_verdict(before)} {where} This is a report of it, not an instruction.",
        _quoted("What it said of itself", before.said, SAID_CHARACTERS),
        _changes(before),
        *_checks(before),
    ]
    return [section for section in sections if section]


def resumption(before: Before, feedback: str, workspace: Path) -> str:
    """The whole prompt for the agent of that attempt, whose conversation goes on.

    It is told its workspace, because all paths that it remembers lead into the one before.
    """
    if before.kept:
        where = "a fresh checkout of what you left at the end: your changes are there."
    else:
        where = "a fresh checkout of the base: your earlier changes are not there."
    sections = [
        f"This conversation goes on in another attempt at the same task. {_verdict(before)}",
        f"You are in a new workspace, {workspace}, {where}",
        "The task, its limits and its checks are as before. Do it again, and mend what was wrong.",
        *_checks(before),
        f"## Feedback\n\n{feedback.strip()}" if feedback.strip() else "",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _verdict(before: Before) -> str:
    reason = " ".join(printable(before.reason, REASON_CHARACTERS).split())
    return f"Attempt {before.number} ended as {before.verdict}{f': {reason}' if reason else ''}."


def _changes(before: Before) -> str:
    if not before.changes:
        return "### What it changed\n\nNo file."
    lines = [f"- {' '.join(printable(each, SAID_CHARACTERS).split())}" for each in before.changed[:PATHS]]
    if before.changes > len(lines):
        lines.append(f"- … and {before.changes - len(lines)} more")
    return "\n".join(["### What it changed", "", *lines])


def _checks(before: Before) -> Iterator[str]:
    for check in before.failed[:CHECKS]:
        command = " ".join(printable(check.command, REASON_CHARACTERS).split())
        heading = f"Check that did not pass: {check.name} ({command})"
        how = " ".join(printable(check.how, REASON_CHARACTERS).split())
        output = _quote(_end(check.output))
        said = f"The end of its output:\n\n{output}" if output else "It printed nothing."
        yield f"### {heading}\n\n{how}. {said}"
    if len(before.failed) > CHECKS:
        yield f"{len(before.failed) - CHECKS} more checks did not pass."


def _quoted(heading: str, text: str, limit: int) -> str:
    quote = _quote(printable(text, limit))
    return f"### {heading}\n\n{quote}" if quote else ""


def _quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n")) if text.strip() else ""


def _end(text: str) -> str:
    """The last lines of an output, which say how it ended."""
    lines = printable(text[-OUTPUT_CHARACTERS:], OUTPUT_CHARACTERS).split("\n")
    return "\n".join(lines[-OUTPUT_LINES:])
