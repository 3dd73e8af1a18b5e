"""The line to a relay: who is connected decides what its agent is told.

A relay serves one connection, the newest; whoever had it before is told and cut off. Closing
this end takes back what the relay has not received whole, and nothing else.
"""

import asyncio
import os
from collections import deque
from pathlib import Path

from codencer.errors import IncompatibleVersion

UNDERSTOOD = (1,)
"""Protocols of relays that may still be running."""

_SOCKET = "socket"
_LONGEST_PATH = 99  # bytes; the kernel takes 107


class Link(asyncio.Protocol):
    """A connection to a relay: commands go out in the order they are given, answers come back in it.

    `lost` is done when it has ended; `displaced` tells that a newer connection was the reason.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.greeting: asyncio.Future[bytes] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.displaced = False
        self._transport: asyncio.Transport | None = None
        self._answers: deque[asyncio.Future[bytes]] = deque([self.greeting])
        self._received = b""
        self._writable = asyncio.Event()
        self._writable.set()
        self._in_turn = asyncio.Lock()

    async def ask(self, verb: str, data: bytes = b"", key: str = "-") -> bytes:
        """Send a command and return its answer; empty when the relay is gone.

        Once it is being sent, cancelling the caller does not take it back.
        """
        async with self._in_turn:
            await self._writable.wait()
            if self._transport is None or self.lost.done():
                return b""
            answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            self._answers.append(answer)
            self._transport.write(b"%s %d %s\n" % (verb.encode(), len(data), key.encode()) + data)
        return await answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            if line == b"displaced":
                self.displaced = True
            elif self._answers:
                _settle(self._answers.popleft(), line)

    def connection_lost(self, _problem: Exception | None) -> None:
        while self._answers:
            _settle(self._answers.popleft(), b"")
        if not self.lost.done():
            self.lost.set_result(None)
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()


def _settle(answer: asyncio.Future[bytes], line: bytes) -> None:
    if not answer.done():
        answer.set_result(line)


async def connect(folder: Path) -> Link | None:
    """A connection to the relay of this launch, now its only one; None when the relay is gone.

    Raises:
        IncompatibleVersion: a newer relay answers.
    """
    path = folder / _SOCKET
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # However deep the folder lies, there is a short name for it.
        short = len(os.fsencode(path)) <= _LONGEST_PATH
        name = str(path) if short else f"/proc/self/fd/{handle}/{_SOCKET}"
        loop = asyncio.get_running_loop()
        try:
            _, link = await loop.create_unix_connection(Link, name)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
    finally:
        os.close(handle)
    greeting = await link.greeting
    word, _, protocol = greeting.partition(b" ")
    if greeting and (word != b"relay" or protocol not in {b"%d" % each for each in UNDERSTOOD}):
        link.close()
        raise IncompatibleVersion(
            f"the agent in {folder} was started by a newer version of Codencer ({greeting!a}); it goes on "
            "undisturbed; use that version, or a newer one"
        )
    return link
