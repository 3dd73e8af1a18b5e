"""A conversation with the agent of a two-way launch, which survives whoever leads it.

What was said is in the log, and nowhere else: reading it is hearing the agent, and a frame is
sent when it is in there. Each frame for the agent has a key and reaches it at most once,
whatever becomes of the daemon that sends it; a restarted one takes up the log, sees what was
answered and what is outstanding, and goes on.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Self

from codencer.errors import Conflict, InvalidInput, TooLarge
from codencer.process.frames import LOG, Frame, read_frames, read_sent
from codencer.process.link import Link, connect
from codencer.process.waiting import launch_end
from codencer.process.watch import changed

LONGEST_FRAME = 32 << 20
"""Bytes of one frame for the agent."""
_KEY = re.compile(r"[!-~]{1,200}")


class Conversation:
    """Hears and answers one agent. The newest one of a launch is in charge, earlier ones end.

    Open one for as long as the launch is looked after: the agent's idle limit takes what it
    says while nobody is connected for an open question, and does not count.
    """

    def __init__(self, folder: Path, link: Link | None, sent: dict[str, bytes]) -> None:
        self._folder = folder
        self._link = link
        self._sent = sent
        self._offered = dict(sent)

    @classmethod
    async def open(cls, folder: Path) -> Self:
        """Take up the conversation of a launch that was started (`Launcher.started` has returned).

        Waits until the agent runs or never will. A launch that has ended can be opened too.

        Raises:
            IncompatibleVersion: a newer relay leads it.
            NotFound: it is no two-way launch.
            StorageFailed: its log is damaged.
        """
        await _first_frame(folder)
        link = await connect(folder)
        try:
            # Whoever was connected before is cut off by now: the log holds all that it sent.
            sent = await asyncio.to_thread(read_sent, folder / LOG)
        except BaseException:
            if link is not None:
                link.close()
            raise
        return cls(folder, link, sent)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the agent, which goes on; what is being sent may still be."""
        if self._link is not None:
            self._link.close()

    def was_sent(self, key: str) -> bool:
        """Whether a frame with this key is in the log, as far as this conversation knows."""
        return key in self._sent

    async def send(self, data: bytes, key: str) -> None:
        """Give the agent these bytes, unless a frame with this key was sent before.

        Returns when the frame is in the log and on disk. Frames reach the agent in the order of the
        calls. Cancelled, it may have been sent or not: call it again with the same key.

        Args:
            key: printable ASCII without spaces, at most 200 characters; names this frame for ever.

        Raises:
            Conflict: not sent, because the agent or its input has ended, a newer conversation has
                taken over, or other bytes were sent under this key.
        """
        if not _KEY.fullmatch(key):
            raise InvalidInput(f"{key!a} cannot name a frame: 1 to 200 printable ASCII characters, no spaces")
        if len(data) > LONGEST_FRAME:
            raise TooLarge(f"{len(data)} bytes are too much for one frame: at most {LONGEST_FRAME}")
        digest = hashlib.sha256(data).digest()
        if self._offered.setdefault(key, digest) != digest:
            raise Conflict(f"something else was sent to this agent as {key}; it was not sent again")
        if key in self._sent:
            return
        answer = await self._ask("send", data, key)
        if answer == b"" and not self._displaced:
            # The relay may have logged it as its last act.
            self._sent |= await asyncio.to_thread(read_sent, self._folder / LOG)
        if answer in {b"done", b"known"} or key in self._sent:
            self._sent[key] = digest
            return
        raise Conflict(f"{self._why_not(answer)}; {key} was not sent to it")

    async def close_input(self) -> None:
        """Close the agent's stdin once it has taken everything; nothing is done again, or after its end.

        Raises:
            Conflict: a newer conversation has taken over.
        """
        if await self._ask("close") == b"" and self._displaced:
            raise Conflict(f"{self._why_not(b'')}; its input was not closed")

    async def hold_idle(self, held: bool) -> None:
        """Let the agent's silence not count while a question to us is open, or count again.

        Stays as it was said when this conversation ends: the next one says what is true then.

        Raises:
            Conflict: a newer conversation has taken over.
        """
        if await self._ask("hold" if held else "free") == b"" and self._displaced:
            raise Conflict(f"{self._why_not(b'')}; its idle clock was not touched")

    async def frames(self, after: int = 0) -> AsyncGenerator[Frame]:
        """Everything in the log from `after` (a `Frame.position`) on, then what comes, until the end.

        Ends when the agent has ended and all is read, or this conversation was closed.

        Raises:
            Conflict: a newer conversation has taken over.
            StorageFailed: the log is damaged, or no frame begins at `after`.
        """
        log = self._folder / LOG
        async with aclosing(changed(log)) as looks:
            await anext(looks)
            while True:
                ended = self._link is None or self._link.lost.done()
                while found := await asyncio.to_thread(read_frames, log, after):
                    for frame in found:
                        after = frame.position
                        yield frame
                if self._displaced:
                    raise Conflict(f"{self._why_not(b'')}; nothing more is heard from it here")
                if ended:
                    return
                assert self._link is not None  # without one the log has ended
                await _either(looks, self._link.lost)

    @property
    def _displaced(self) -> bool:
        return self._link is not None and self._link.displaced

    async def _ask(self, verb: str, data: bytes = b"", key: str = "-") -> bytes:
        return await self._link.ask(verb, data, key) if self._link is not None else b""

    def _why_not(self, answer: bytes) -> str:
        if self._displaced:
            return f"another daemon has taken over the agent in {self._folder}"
        if answer == b"closed":
            return f"the agent in {self._folder} takes no more input"
        return f"the agent in {self._folder} is gone, or this conversation with it was closed"


async def _first_frame(folder: Path) -> None:
    """Wait until the relay has said what became of the start, or is gone."""
    end = asyncio.ensure_future(launch_end(folder))
    try:
        async with aclosing(changed(folder / LOG)) as looks:
            await anext(looks)
            while not await asyncio.to_thread(read_frames, folder / LOG, 0, 0) and not end.done():
                await _either(looks, end)
    finally:
        end.cancel()
        await asyncio.gather(end, return_exceptions=True)


async def _either(looks: AsyncGenerator[None], end: asyncio.Future[None]) -> None:
    """Wait until the log has grown or has ended; then `looks` has ended as well."""
    grown = asyncio.ensure_future(anext(looks))
    try:
        await asyncio.wait({grown, end}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        grown.cancel()
        await asyncio.gather(grown, return_exceptions=True)
