"""What a launch folder says of a launch that ran in a sandbox, and how its command really ended."""

import signal
from dataclasses import replace
from pathlib import Path

from codencer.model.launch import ExitReason, ExitRecord

STATUS = "sandbox"
"""File of a launch folder: there when the launch is confined; bubblewrap notes in it how far it came."""
_ENDED = b'"exit-code"'
_LARGEST_NOTE = 4096
"""Bytes; what env or bubblewrap says of a command that they cannot start is a line."""
_NOT_STARTED = (126, 127)
_FATAL = frozenset(
    {
        *(signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE),
        *(signal.SIGKILL, signal.SIGSEGV, signal.SIGSYS),
    }
)
"""Signals that end a program by its own fault or against its will: no program makes such a code up."""


def is_confined(folder: Path) -> bool:
    """Whether the launch in this folder was made to run in a sandbox."""
    return (folder / STATUS).exists()


def seen_through(folder: Path, record: ExitRecord) -> ExitRecord:
    """What the record of a confined launch says of its command; the supervisor knows only of bubblewrap.

    That reports a death by signal N as the code 128 + N, and what outlived the command the kernel has
    ended unseen.
    """
    if record.reason is ExitReason.NOT_STARTED:
        return record
    record = replace(record, killed=())
    if record.code is None:
        return record
    said = _said(folder / "stderr")
    if _ENDED not in (folder / STATUS).read_bytes():
        problem = said or "bubblewrap could not be started"
        return replace(record, reason=ExitReason.NOT_STARTED, code=None, error=f"no sandbox: {problem}")
    if record.code in _NOT_STARTED and said.startswith("env: "):
        error = said.removeprefix("env: ")
        return replace(record, reason=ExitReason.NOT_STARTED, code=None, error=f"cannot start {error}")
    number = record.code - 128
    stopped = record.reason is not ExitReason.EXITED
    if number in _FATAL or (stopped and number == signal.SIGTERM):
        return replace(record, code=None, signal=number)
    return record


def _said(stderr: Path) -> str:
    """What stands on stderr when it is no more than one line; nothing when it was taken for evidence."""
    try:
        with stderr.open("rb") as file:
            lines = file.read(_LARGEST_NOTE).decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ""
    return lines[0].strip() if len(lines) == 1 else ""
