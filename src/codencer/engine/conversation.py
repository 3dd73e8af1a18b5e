"""Leads the conversation with a two-way agent while it runs, and takes it up again after a restart.

Whatever the agent says is in the log, whatever was answered is in the ledger, and the session makes of
both what is to be said next: nothing is remembered here. A question and its answer are durable before
the agent is told, each frame reaches it once by its key, and a file request is done again only if its
answer was not sent.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import structlog

from codencer.engine import agent_files
from codencer.engine.assignment import assignment_of
from codencer.engine.launching import watch
from codencer.engine.permission import Answer, by_policy, refuse
from codencer.engine.rooms import Entry, Trip
from codencer.errors import CodencerError, Conflict, NotFound, StorageFailed
from codencer.failpoints import reach
from codencer.ledger import Transaction
from codencer.model.dialogue import Due, FileRead, FileWrite, Message, PermissionRequest
from codencer.model.event import EventKind
from codencer.model.ids import IdKind, new_id
from codencer.model.launch import ExitRecord
from codencer.model.ports import Session, TwoWayAdapter
from codencer.model.question import AgentQuestion, AnsweredBy, QuestionState
from codencer.process.conversation import Conversation
from codencer.process.frames import Direction, Frame

log = structlog.get_logger()

BRIDGE = "bridge"
"""Who answers where no person did."""


async def attend(trip: Trip, adapter: TwoWayAdapter, folder: Path, marker: str) -> ExitRecord | None:
    """Speak with the agent until its launch is over; like `watch`, which goes on meanwhile.

    Raises:
        StorageFailed, LedgerFailed, IncompatibleVersion: it cannot be led now; the agent goes on.
    """
    session = adapter.session(assignment_of(trip))
    watching = asyncio.ensure_future(watch(trip, folder, marker))
    leading = asyncio.ensure_future(_lead(trip, session, folder))
    try:
        await asyncio.wait({watching, leading}, return_when=asyncio.FIRST_COMPLETED)
        if leading.done() and leading.result():
            await asyncio.wait({watching}, timeout=session.linger_seconds if session.over else 0)
            if not watching.done():
                await asyncio.to_thread(trip.rooms.launcher.stop, folder)
        return await watching
    finally:
        for task in (watching, leading):
            task.cancel()
        await asyncio.gather(watching, leading, return_exceptions=True)
        trip.asking = ""


async def _lead(trip: Trip, session: Session, folder: Path) -> bool:
    """Speak until there is no more to say or nobody to say it to; return whether the agent has to go now."""
    earlier = await trip.rooms.ledger.read(lambda queries: queries.questions(trip.attempt.id))
    try:
        talk = await Conversation.open(folder)
    except StorageFailed as problem:
        return _lost(trip, problem)
    async with talk:
        known = {each.key: each for each in earlier if each.launch == folder.name}
        leader = _Leader(trip, session, talk, known)
        tasks = {asyncio.ensure_future(leader.hear()), asyncio.ensure_future(leader.pass_answers_on())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            return session.over
        except (Conflict, _Unreadable) as problem:
            return _lost(trip, problem)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _Unreadable(Exception):
    """The log of the conversation is damaged. Not raised for any other fault of the disk."""


async def _next(frames: AsyncGenerator[Frame]) -> Frame | None:
    try:
        return await anext(frames, None)
    except StorageFailed as problem:
        raise _Unreadable(str(problem)) from problem


def _lost(trip: Trip, problem: Exception) -> bool:
    """There is no going on, and never will be. No daemon takes a conversation over while this one lives."""
    why = str(problem)
    if isinstance(problem, Conflict):
        why = "somebody else, or the agent itself, took over the conversation with it"
    trip.lost = f"{why}; the agent was stopped: look at what it did before you use any of it"
    ids = {"step": trip.step.id, "attempt": trip.attempt.id}
    log.warning(str(problem), event_name="conversation.lost", **ids)
    return True


class _Leader:
    """One at a time works with the session: who hears the agent, or who passes an answer on."""

    def __init__(
        self, trip: Trip, session: Session, talk: Conversation, earlier: dict[str, AgentQuestion]
    ) -> None:
        self._trip, self._session, self._talk = trip, session, talk
        self._earlier = earlier
        self._open: dict[str, tuple[PermissionRequest, AgentQuestion]] = {}
        self._held: bool | None = None
        self._in_turn = asyncio.Lock()

    async def hear(self) -> None:
        """Feed the session with what the agent says, and do what it wants, until all is said."""
        async with self._in_turn:
            await self._do()
        async with aclosing(self._talk.frames()) as frames:
            while (frame := await _next(frames)) is not None:
                if frame.direction is Direction.FROM_AGENT:
                    async with self._in_turn:
                        await asyncio.to_thread(self._session.feed, frame.data)
                        await self._do()
                if self._session.over:
                    await self._talk.close_input()
                    reach("input.closed")
                    return

    async def pass_answers_on(self) -> None:
        """Wait for answers to open questions, or the end of the time for them, for ever."""
        while True:
            self._trip.news.clear()
            async with self._in_turn:
                await self._settle()
            left = self._next_deadline()
            try:
                await asyncio.wait_for(self._trip.news.wait(), left)
            except TimeoutError:
                continue

    async def _do(self) -> None:
        for due in self._session.due():
            await self._do_one(due)
        await self._mind()

    async def _do_one(self, due: Due) -> None:
        if self._talk.was_sent(due.key):
            return
        match due:
            case Message():
                await self._send(due)
            case PermissionRequest():
                await self._ask(due)
            case FileRead() | FileWrite():
                await self._send(await asyncio.to_thread(self._serve, due))

    async def _send(self, message: Message) -> None:
        try:
            await self._talk.send(message.data, message.key)
        except Conflict:
            return  # it has ended, or somebody took over: whoever hears it will know
        reach("frame.sent")

    def _serve(self, asked: FileRead | FileWrite) -> Message:
        workspace = self._trip.rooms.layout.workspace(self._trip.attempt.id)
        try:
            if isinstance(asked, FileRead):
                return self._session.served(asked, agent_files.read(workspace, asked))
            agent_files.write(workspace, asked)
            reach("agent_file.written")
            return self._session.served(asked)
        except CodencerError as problem:
            return self._session.refused(asked, problem.message)
        except OSError as problem:
            return self._session.refused(asked, f"{asked.path}: {problem.strerror}")

    async def _ask(self, request: PermissionRequest) -> None:
        """Record the question, unless it is, and answer it, or leave it open for a person."""
        question = self._earlier.get(request.key) or await self._record(request)
        if question.state is QuestionState.OPEN:
            self._open[request.key] = (request, question)
            self._trip.news.set()
        else:
            await self._send(self._session.answer(request, question.option))

    async def _record(self, request: PermissionRequest) -> AgentQuestion:
        trip, settings = self._trip, self._trip.step.frozen.adapter
        workspace = trip.rooms.layout.workspace(trip.attempt.id)
        answer = await asyncio.to_thread(by_policy, settings.approvals, request, trip.step.task, workspace)
        question_id = new_id(IdKind.QUESTION)
        body = {
            "question_id": question_id,
            "launch": trip.attempt.launch,
            "key": request.key,
            "text": request.text,
            "tool": request.tool,
            "paths": request.paths,
            "options": request.options,
            "expires_at": _now() + settings.approval_seconds * 1_000_000,
            "waits": answer is None,
        }
        entries: list[Entry] = [(EventKind.QUESTION_ASKED, body)]
        if answer is not None:
            entries.append(_answered(question_id, answer, AnsweredBy.POLICY))
        await trip.record(*entries)
        return await self._look(question_id)

    async def _look(self, question_id: str) -> AgentQuestion:
        question = await self._trip.rooms.ledger.read(lambda queries: queries.question(question_id))
        if question is None:
            raise NotFound(f"the question {question_id} is not in the ledger any more")
        return question

    async def _settle(self) -> None:
        """Refuse what nobody has answered in time, and tell the agent all that was answered."""
        for key, (request, known) in list(self._open.items()):
            question = await self._look(known.id)
            if question.state is QuestionState.OPEN and question.expires_at <= _now():
                await self._expire(question, refuse(request))
                question = await self._look(known.id)
            if question.state is not QuestionState.OPEN:
                del self._open[key]
                await self._send(self._session.answer(request, question.option))
        await self._mind()

    async def _expire(self, question: AgentQuestion, answer: Answer) -> None:
        def write(tx: Transaction) -> None:
            now = tx.question(question.id)
            if now is not None and now.state is QuestionState.OPEN:  # else a person was just in time
                kind, body = _answered(question.id, answer, AnsweredBy.TIMEOUT)
                tx.append(kind, body, attempt_id=question.attempt_id)

        await self._trip.rooms.ledger.write(write)

    async def _mind(self) -> None:
        """Let the agent's silence not count while a person is asked, and say so to who looks at the step."""
        first = next(iter(self._open.values()), None)
        self._trip.asking = first[0].text if first else ""
        if self._held is not bool(self._open):
            self._held = bool(self._open)
            await self._talk.hold_idle(self._held)

    def _next_deadline(self) -> float | None:
        """Seconds until the first open question expires, by the wall clock."""
        times = [question.expires_at for _, question in self._open.values()]
        return max(0.0, (min(times) - _now()) / 1_000_000) if times else None


def _answered(question_id: str, answer: Answer, by: AnsweredBy) -> Entry:
    body = {"question_id": question_id, "option": answer.option, "actor": BRIDGE, "by": by}
    return EventKind.QUESTION_ANSWERED, body


def _now() -> int:
    return time.time_ns() // 1000
