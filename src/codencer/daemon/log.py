"""The daemon's log: one JSON object a line in `<state>/daemon.log`, readable by this user only.

It is bounded by moving a large one aside at each start; one older log is kept. What libraries log
arrives in the same file. A line that cannot be written is lost and counted: no work ends because of it.
"""

import io
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from codencer.errors import StorageFailed

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

KEPT_BYTES = 5 * 1024 * 1024
"""A log larger than this is moved aside when the daemon starts."""


def open_log(path: Path, level: str, *, foreground: bool) -> None:
    """Send everything that is logged to the log; `foreground` sends it to stderr instead.

    Raises:
        StorageFailed: the file cannot be opened.
    """
    descriptor = sys.stderr.fileno() if foreground else _open(path)
    file = _Unfailing(descriptor, "w", closefd=not foreground)
    stream = io.TextIOWrapper(file, "utf-8", "backslashreplace", write_through=True)
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    logging.basicConfig(handlers=[_Forward()], level=max(number, logging.WARNING), force=True)


class _Unfailing(io.FileIO):
    """A file that takes every line, even on a full disk or when nobody reads it any more."""

    lost = 0

    def write(self, data: "ReadableBuffer") -> int:
        try:
            if self.lost:
                super().write(b'{"event": "%d earlier lines could not be written"}\n' % self.lost)
                self.lost = 0
            return super().write(data)
        except OSError:
            self.lost += 1
            return len(memoryview(data))


class _Forward(logging.Handler):
    """Records of the standard logging module, as lines of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, record.getMessage(), event_name=record.name, exc_info=record.exc_info
        )


def _open(path: Path) -> int:
    _move_aside(path)
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise StorageFailed(f"the log {path} cannot be opened: {problem.strerror}") from problem


def _move_aside(path: Path) -> None:
    try:
        if path.stat().st_size > KEPT_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
    except FileNotFoundError:
        return
    except OSError as problem:
        raise StorageFailed(f"the log {path} cannot be moved aside: {problem.strerror}") from problem
