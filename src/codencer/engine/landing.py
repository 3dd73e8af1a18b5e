"""Bringing a step's work to the user, so that it is done and recorded, or neither, whatever happens.

What a landing will do is recorded before anything of the user's changes. One is under way at a time. A
landing that was cut off is carried out again, by the next daemon at its start or before the next landing,
through the function that carried it out the first time.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog

from codencer.engine.addresses import step_address
from codencer.engine.rooms import Rooms, the_step
from codencer.errors import CodencerError, Conflict, LandingCutOff, NotFound, StorageFailed
from codencer.ledger import Queries
from codencer.model.attempt import Attempt
from codencer.model.codec import decode
from codencer.model.event import Event, EventKind
from codencer.model.landing import Landed, LandForm, Landing
from codencer.model.step import SUCCESSFUL_STATES, Step
from codencer.workspace.git import GitSettings
from codencer.workspace.land import LandRequest, Work, carry_out, landed_before, plan

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person wants landed where; `target` is a branch's or a file's name, none for a commit."""

    form: LandForm
    target: str | None
    checkout: Path
    force: bool


class Landings:
    def __init__(self, rooms: Rooms, group: asyncio.TaskGroup) -> None:
        self._rooms, self._group = rooms, group
        self._one_at_a_time = asyncio.Lock()
        self._cut_off: dict[str, str] = {}

    async def land(self, address: str, actor: str, wish: Wish) -> Landed:
        """Bring a step's changes to the user; where that was done before, say what has landed.

        Raises:
            Conflict: the step is unsettled or unsuccessful (unless forced), or the changes do not fit;
                nothing has changed then.
        """
        # A task of its own: whoever asked may go away, and what has begun must not be left alone.
        answer: asyncio.Future[Landed] = asyncio.get_running_loop().create_future()
        self._group.create_task(self._answer(answer, address, actor, wish))
        return await answer

    def recover(self) -> None:
        """Bring every landing that was cut off to its end, before the next one begins."""
        self._group.create_task(self._recover())

    def problems(self) -> list[str]:
        """Landings that were cut off and can be neither finished nor undone."""
        return [f"a landing of step {step_id}: {problem}" for step_id, problem in self._cut_off.items()]

    async def _recover(self) -> None:
        async with self._one_at_a_time:
            try:
                await self._finish()
            except Exception:
                log.exception("landings that were cut off are left for later", event_name="landing.left")

    async def _answer(self, answer: asyncio.Future[Landed], address: str, actor: str, wish: Wish) -> None:
        try:
            async with self._one_at_a_time:
                await self._finish()
                landed = await self._land(address, actor, wish)
        except Exception as problem:  # noqa: BLE001  (the top of a task: told to who asked)
            if not answer.done():
                answer.set_exception(problem)
            return
        if not answer.done():
            answer.set_result(landed)

    async def _land(self, address: str, actor: str, wish: Wish) -> Landed:
        def read(queries: Queries) -> tuple[Step, Attempt | None, list[Event]]:
            step = the_step(queries, step_address(queries, address))
            return step, newest_snapshot(queries.attempts(step.id)), queries.landings(step.id)

        step, attempt, events = await self._rooms.ledger.read(read)
        if not step.settled:
            raise Conflict(f"step {step.id} is {step.state}; wait until it is settled")
        if step.state not in SUCCESSFUL_STATES and not wish.force:
            raise Conflict(f"step {step.id} is {step.state}; --force lands it nevertheless")
        if step.id in self._cut_off:
            raise LandingCutOff(self._cut_off[step.id])
        if attempt is None:
            raise NotFound(f"step {step.id} has no snapshot to land: it left none, or it has expired")
        request = _request(step, attempt, wish)
        earlier = [_landed(event) for event in reversed(events) if event.attempt_id == attempt.id]
        settings = step.frozen.git_settings
        found = await asyncio.to_thread(_find_out, self._rooms, settings, request, earlier)
        if isinstance(found, Landed):
            return found
        ids = {"run_id": step.run_id, "step_id": step.id, "attempt_id": attempt.id}
        begun = await self._rooms.ledger.write(
            lambda tx: tx.append(EventKind.STEP_LANDING, {"actor": actor, "landing": found}, **ids)
        )
        end = await self._bring_to_an_end(begun, again=False)
        if isinstance(end, CodencerError):
            raise end
        return end

    async def _finish(self) -> None:
        """Carry out again what was cut off; what still is stays for the next time."""
        for begun in await self._rooms.ledger.read(lambda queries: queries.unfinished_landings()):
            self._cut_off.pop(begun.step_id or "", None)
            try:
                end = await self._bring_to_an_end(begun, again=True)
            except LandingCutOff:
                log.exception("a landing is still cut off", event_name="landing.cut_off", step=begun.step_id)
                continue
            how = "undone" if isinstance(end, CodencerError) else "finished"
            log.warning(
                f"a landing that was cut off was {how}",
                event_name=f"landing.{how}",
                step=begun.step_id,
                end=str(end),
            )

    async def _bring_to_an_end(self, begun: Event, *, again: bool) -> Landed | CodencerError:
        """Carry a landing out and record that it is over; return what has landed, or why nothing has.

        Raises:
            LandingCutOff: it is neither done nor undone.
        """
        landing = decode(Landing, begun.body["landing"])
        actor = begun.body["actor"]
        ids = {"run_id": begun.run_id, "step_id": begun.step_id, "attempt_id": begun.attempt_id}
        try:
            await asyncio.to_thread(_carry_out, self._rooms, landing, again=again)
        except LandingCutOff as problem:
            self._cut_off[begun.step_id or ""] = str(problem)
            raise
        except CodencerError as refusal:
            undone = {"actor": actor, "reason": str(refusal)}
            await self._rooms.ledger.write(lambda tx: tx.append(EventKind.STEP_LANDING_UNDONE, undone, **ids))
            return refusal
        body = {"actor": actor, "form": landing.form, "target": landing.target, "commit": landing.commit}
        await self._rooms.ledger.write(lambda tx: tx.append(EventKind.STEP_LANDED, body, **ids))
        return landing.landed


def _find_out(
    rooms: Rooms, settings: GitSettings, request: LandRequest, earlier: list[Landed]
) -> Landed | Landing:
    """What has landed already, or else what is to be done."""
    return landed_before(rooms.store, request, earlier) or plan(rooms.store, settings, request)


def _carry_out(rooms: Rooms, landing: Landing, *, again: bool) -> None:
    try:
        carry_out(rooms.store, landing, again=again)
    except OSError as problem:
        raise StorageFailed(f"the landing could not be written: {problem}; nothing has changed") from problem


def _request(step: Step, attempt: Attempt, wish: Wish) -> LandRequest:
    if attempt.snapshot is None or step.base.commit is None:
        raise AssertionError("an attempt with a snapshot has a base")
    message = f"{step.title}\n\nCodencer-Step: {step.id}\nCodencer-Attempt: {attempt.id}\n"
    work = Work(base=step.base.commit, tree=attempt.snapshot.tree, message=message)
    return LandRequest(work=work, form=wish.form, checkout=wish.checkout, target=wish.target)


def _landed(event: Event) -> Landed:
    return decode(Landed, {name: event.body[name] for name in ("form", "target", "commit")})


def newest_snapshot(attempts: list[Attempt]) -> Attempt | None:
    """The newest attempt that left a snapshot which has not expired."""
    there = (each for each in reversed(attempts) if each.snapshot is not None and not each.snapshot.expired)
    return next(there, None)
