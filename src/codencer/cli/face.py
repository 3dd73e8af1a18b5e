"""What a verb speaks to: the person or script in front of it, and the daemon behind it."""

import json as json_module
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from codencer.client.daemon import Daemon
from codencer.client.find import answering, named_endpoint
from codencer.client.http import Endpoint
from codencer.client.start import ensure_started
from codencer.errors import DaemonUnreachable
from codencer.locate import Repository, find_repository

_REPLACED = {code: None for code in (*range(32), *range(0x7F, 0xA0)) if code not in (9, 10)}
# Marks that turn the direction of text around: a title must not be able to show another command.
_REPLACED |= dict.fromkeys((0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))


def clean(text: str) -> str:
    """Text of an agent or planner without what a terminal would obey."""
    return text.translate(_REPLACED)


class Face:
    """One invocation: how to print, and how to reach the daemon.

    `json` and `autostart` are the options every verb shares.
    """

    def __init__(self) -> None:
        self.json = False
        self.autostart = True
        self._repository: Repository | None = None

    @property
    def repository(self) -> Repository:
        """The repository of the current folder."""
        if self._repository is None:
            self._repository = find_repository(Path.cwd())
        return self._repository

    def daemon(self) -> Daemon:
        """The daemon: the one the environment names, else the repository's, started if allowed.

        Raises:
            DaemonUnreachable: none answers, and none may be started.
        """
        if (endpoint := named_endpoint()) is not None:
            return Daemon(endpoint, lambda: endpoint)
        repository = self.repository
        return Daemon(self._endpoint(repository, self.autostart), lambda: self._endpoint(repository, False))

    def _endpoint(self, repository: Repository, autostart: bool) -> Endpoint:
        if autostart:
            # Whoever did not ask for a port need not care that another repository has the usual one.
            descriptor, started = ensure_started(repository, ("--on-demand",))
            if started:
                self.hint(f"started the daemon of {repository.top} (process {descriptor.pid})")
            return Endpoint(unix=descriptor.socket)
        found = answering(repository)
        if found is None:
            raise DaemonUnreachable(f"no daemon runs for {repository.top}; `codencer start` starts one")
        return Endpoint(unix=found.socket)

    def document(self, value: object) -> None:
        """Print the one JSON document."""
        self.line(json_module.dumps(value, ensure_ascii=False, indent=2))

    def line(self, text: str = "") -> None:
        """Print a line on stdout; what the terminal's encoding lacks is escaped."""
        stream = sys.stdout
        encoding = stream.encoding or "utf-8"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print columns, as wide as their widest cell."""
        cells = [[clean(str(cell)).replace("\n", " ") for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        for row in (head, *cells):
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.line("  ".join(padded).rstrip())

    def fields(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Print `name: value` lines; empty values are left out."""
        shown = [(name, value) for name, value in pairs if value not in (None, "", [], ())]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            self.line(f"{name + ':':<{width + 1}} {clean(str(value))}")

    def show(self, value: Any, human: Iterable[tuple[str, object]]) -> None:
        """Print one object: as JSON, or as fields."""
        if self.json:
            self.document(value)
        else:
            self.fields(human)

    def listing(self, values: list[Any], head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a list: as JSON, or as a table; an empty one says so."""
        if self.json:
            self.document(values)
        elif values:
            self.table(head, rows)
        else:
            self.hint("none")

    def hint(self, text: str) -> None:
        """Say something useful on stderr."""
        sys.stderr.write(f"{clean(text)}\n")

    def write(self, data: bytes) -> None:
        """Write bytes to stdout as they are."""
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def short(identifier: str) -> str:
    """An id as tables show it; the last characters are also an address."""
    return identifier[-8:]


def absolute(path: str) -> str:
    return os.path.abspath(path)
