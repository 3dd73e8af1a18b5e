"""What an agent may not do: consent, or end and take work in its user's name.

The kernel names the process at the other end of the Unix socket. One that descends from a supervisor,
or carries the marker of an attempt, may submit and read, and nothing else: not decide about gates or
questions, nor trust, land, or change what other runs and steps do.
"""

import asyncio

from fastapi import Request

from codencer.errors import Forbidden
from codencer.process.procfs import read_bytes, read_stat
from codencer.process.tree import MARKER_VARIABLE

LONGEST_LINE = 1024
"""Ancestors looked at; a longer line is taken for an attempt to hide."""


async def refuse_from_attempt(request: Request, what: str) -> None:
    """Let a request through unless its process belongs to an attempt.

    Raises:
        Forbidden: it does; `what` completes "an agent may not …".
    """
    peer = request.scope.get("state", {}).get("peer")
    if peer is not None and await asyncio.to_thread(descends_from_attempt, peer.pid):
        raise Forbidden(f"an agent may not {what}: run the command yourself, outside the attempt")


def descends_from_attempt(pid: int) -> bool:
    """Whether a process runs inside an attempt; one that is gone cannot be cleared of it."""
    for _ in range(LONGEST_LINE):
        stat = read_stat(pid)
        if stat is None:
            return True
        if _marked(pid) or _is_supervisor(pid):
            return True
        if stat.parent == 0:
            return False
        pid = stat.parent
    return True


def _marked(pid: int) -> bool:
    return b"\0" + MARKER_VARIABLE.encode() + b"=" in b"\0" + read_bytes(f"/proc/{pid}/environ")


def _is_supervisor(pid: int) -> bool:
    words = read_bytes(f"/proc/{pid}/cmdline").split(b"\0")
    return any(b"/launches/" in word and b"/supervisor.py" in word for word in words)
