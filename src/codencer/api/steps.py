"""Steps: their state, result, evidence, and what a person may ask of them."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from codencer.api.access import PREFIX, actor
from codencer.api.addresses import Address
from codencer.api.answers import answer
from codencer.api.bodies import body
from codencer.api.logs import Wanted, followed, present
from codencer.api.openapi import anything, one, several, stream, takes
from codencer.api.peers import refuse_from_attempt
from codencer.api.shapes import StepView
from codencer.engine import Engine
from codencer.engine.log_forms import LogForm
from codencer.engine.views import step_view
from codencer.errors import InvalidInput
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt
from codencer.model.landing import LandForm
from codencer.model.question import AgentQuestion
from codencer.model.result import ResultSpec
from codencer.model.validation import ValidationResult


class LogStream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"


_MEDIA_TYPES = {
    LogForm.RAW: "application/octet-stream",
    LogForm.TEXT: "text/plain; charset=utf-8",
    LogForm.EVENTS: "application/jsonl",
}


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """An empty body."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """`feedback` is told to the agent; `force` also retries what was completed."""

    adapter: str | None = None
    feedback: str | None = None
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`text` is the id or name of an option of the question, or `allow` or `deny`. Which question has to be
    said only when several are open."""

    text: str
    question: str | None = None


@dataclass(frozen=True, kw_only=True)
class Land:
    """`target` names the branch or the absolute patch file; `checkout` is the work tree to land in."""

    checkout: str
    form: LandForm = LandForm.COMMIT
    target: str | None = None
    force: bool = False


def router(engine: Engine) -> APIRouter:
    routes = APIRouter(prefix=PREFIX, tags=["steps"])
    _add_reading(routes, engine)
    _add_streams(routes, engine)
    _add_changing(routes, engine)
    return routes


def _add_reading(routes: APIRouter, engine: Engine) -> None:
    @routes.get("/steps/{step}", responses=one(StepView))
    async def get_step(step: Address, live: bool = True) -> Response:
        """One step: the one source of truth about its state.

        While an attempt is under way `live` says what it is doing; with `live=false` nobody looks.
        """
        found = await engine.get_step(step)
        facts = await engine.live(found) if live else None
        return answer(step_view(found, engine.waiting_reason(found), facts))

    @routes.get("/steps/{step}/result", responses=one(ResultSpec))
    async def get_result(step: Address) -> Response:
        """The step's ResultSpec, which also says so while it is not settled."""
        return answer(await engine.result(step))

    @routes.get("/steps/{step}/attempts", responses=several(Attempt))
    async def list_attempts(step: Address) -> Response:
        """List the tries at a step, first one first."""
        return answer(await engine.attempts(step))

    @routes.get("/steps/{step}/validations", responses=several(ValidationResult))
    async def list_validations(step: Address) -> Response:
        """What the newest attempt's validations said."""
        return answer(await engine.validations(step))

    @routes.get("/steps/{step}/artifacts", responses=several(Artifact))
    async def list_artifacts(step: Address) -> Response:
        """The newest attempt's files of evidence with size and SHA-256."""
        return answer(await engine.artifacts(step))

    @routes.get("/steps/{step}/questions", responses=several(AgentQuestion))
    async def list_questions(step: Address) -> Response:
        """What the newest attempt's agent asked to be allowed, answered or not."""
        return answer(await engine.questions(step))

    @routes.get("/steps/{step}/where", responses=anything("The workspace or the snapshot."))
    async def get_where(step: Address) -> Response:
        """The workspace while it exists, else how to check the snapshot out."""
        return answer(await engine.where(step))


def _add_streams(routes: APIRouter, engine: Engine) -> None:
    @routes.get("/artifacts/{artifact}/content", responses=stream("*/*", "The file itself."))
    async def get_artifact(artifact: Address) -> Response:
        """The content of one artifact, served only when it is the file that was recorded."""
        found, path = await engine.artifact(artifact)
        return FileResponse(path, media_type=found.media_type)

    @routes.get("/steps/{step}/diff", responses=stream("text/x-diff", "Base to snapshot, as a patch."))
    async def get_diff(step: Address, stat: bool = False) -> Response:
        """Everything the newest attempt changed, whether the agent committed it or not."""
        data = await engine.diff(step, stat=stat)
        return Response(data, media_type="text/plain" if stat else "text/x-diff")

    @routes.get("/steps/{step}/logs", responses=stream("text/plain", "What the agent said and did."))
    async def get_logs(
        step: Address,
        stream: LogStream = LogStream.STDOUT,
        form: Annotated[LogForm, Query(alias="format")] = LogForm.RAW,
        follow: bool = False,
        offset: int = 0,
    ) -> Response:
        """Stream the newest attempt's output; with `follow` until the agent has ended.

        `format` is `raw` (byte for byte), `text` (lines for a person) or `events` (an AgentEvent a line).
        A negative `offset` counts from the end; of text and events it gives what begins behind it.
        """
        wanted = Wanted(form=form, stderr=stream is LogStream.STDERR, offset=offset)
        if form is not LogForm.RAW and (wanted.stderr or offset > 0):
            raise InvalidInput(
                f"format={form} goes with neither stream=stderr nor a positive offset: only format=raw does"
            )
        found = await engine.get_step(step)
        pieces = await (followed if follow else present)(engine, found, wanted)
        return StreamingResponse(
            pieces, media_type=_MEDIA_TYPES[form], headers={"X-Content-Type-Options": "nosniff"}
        )


def _add_changing(routes: APIRouter, engine: Engine) -> None:
    @routes.post("/steps/{step}/cancel", responses=one(StepView), openapi_extra=takes(Nothing))
    async def cancel(
        step: Address, request: Request, _: Annotated[Nothing, Depends(body(Nothing))]
    ) -> Response:
        """Stop a step; its work so far is kept as a snapshot."""
        await refuse_from_attempt(request, "cancel a step")
        return answer(step_view(await engine.cancel(step, actor(request))))

    @routes.post("/steps/{step}/retry", responses=one(StepView), openapi_extra=takes(Retry))
    async def retry(
        step: Address, request: Request, given: Annotated[Retry, Depends(body(Retry))]
    ) -> Response:
        """Queue a settled step for another attempt; a gate it has is void then, so no agent may."""
        await refuse_from_attempt(request, "try a step again")
        again = await engine.retry(
            step, actor(request), adapter=given.adapter, feedback=given.feedback, force=given.force
        )
        return answer(step_view(again, engine.waiting_reason(again)))

    @routes.post("/steps/{step}/answer", responses=one(StepView), openapi_extra=takes(Answer))
    async def answer_question(
        step: Address, request: Request, given: Annotated[Answer, Depends(body(Answer))]
    ) -> Response:
        """Answer the question an agent waits on; refused when none does, and from inside an attempt."""
        await refuse_from_attempt(request, "answer a question")
        found = await engine.answer(step, given.text, actor(request), question=given.question)
        return answer(step_view(found))

    @routes.post("/steps/{step}/land", responses=anything("What was landed."), openapi_extra=takes(Land))
    async def land(step: Address, request: Request, given: Annotated[Land, Depends(body(Land))]) -> Response:
        """Bring a step's snapshot into the user's repository; changes nothing when it refuses.

        Asked again, it tells what has landed (`already`) and changes nothing either.
        """
        await refuse_from_attempt(request, "land changes")
        if not Path(given.checkout).is_absolute():
            raise InvalidInput(f"checkout must be an absolute path, not {given.checkout!a}")
        landed = await engine.land(
            step,
            actor(request),
            form=given.form,
            target=given.target,
            checkout=given.checkout,
            force=given.force,
        )
        return answer(landed)
