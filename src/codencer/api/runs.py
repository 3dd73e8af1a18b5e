"""Runs and the steps submitted to them: /runs, /runs/{id}, /runs/{id}/steps, /runs/{id}/gates."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from codencer.api.access import PREFIX, actor
from codencer.api.addresses import Address
from codencer.api.answers import answer
from codencer.api.bodies import body
from codencer.api.openapi import one, several, takes
from codencer.api.peers import refuse_from_attempt
from codencer.api.shapes import RunView, StepView
from codencer.engine import Engine, Submission
from codencer.engine.budgets import Allowance
from codencer.engine.views import run_view, step_view
from codencer.errors import InvalidInput
from codencer.model.gate import Gate
from codencer.model.run import RunLabels, RunState
from codencer.model.task import SourceKind


class RunAction(StrEnum):
    ABORT = "abort"
    FINISH = "finish"
    PAUSE = "pause"
    RESUME = "resume"
    BUDGET = "budget"
    """Give it another one."""


@dataclass(frozen=True, kw_only=True)
class StartRun:
    """Without an `id` one is chosen; the labels are free text to filter by.

    The `budget` is for all attempts together.
    """

    id: str | None = None
    project_id: str = ""
    conversation: str = ""
    planner: str = ""
    executor: str = ""
    budget: Allowance | None = None


@dataclass(frozen=True, kw_only=True)
class ChangeRun:
    """`when_idle` belongs to finish: it then waits until no step is unsettled; `budget` to budget."""

    action: RunAction
    when_idle: bool = False
    budget: Allowance | None = None


class SourceFormat(StrEnum):
    YAML = "yaml"
    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, kw_only=True)
class SubmitStep:
    """One task: `text` as its author wrote it; `overrides` are TaskSpec keys laid over it.

    `cwd` is a directory of the checkout that the task is about (default: the daemon's own). With
    `start_run` the run begins with this step when there is none of that id. A higher `priority`
    goes first, between runs.
    """

    text: str
    cwd: str = ""
    format: SourceFormat = SourceFormat.YAML
    source_kind: SourceKind = SourceKind.API
    source_name: str = ""
    overrides: dict[str, object] = field(default_factory=dict)
    idempotency_key: str | None = None
    trust: bool = False
    start_run: bool = False
    priority: int = 0


def router(engine: Engine) -> APIRouter:
    routes = APIRouter(prefix=PREFIX, tags=["runs"])
    _add_runs(routes, engine)
    _add_submission(routes, engine)
    return routes


def _add_runs(routes: APIRouter, engine: Engine) -> None:
    @routes.get("/runs", responses=several(RunView))
    async def list_runs(
        project: str | None = None, conversation: str | None = None, state: str | None = None
    ) -> Response:
        """List runs, oldest first; the filters are the labels given at the start."""
        wanted = None if state is None else _run_state(state)
        found = await engine.list_runs(project=project, conversation=conversation, state=wanted)
        return answer([run_view(each) for each in found])

    @routes.post("/runs", status_code=201, responses=one(RunView, 201), openapi_extra=takes(StartRun))
    async def start_run(request: Request, given: Annotated[StartRun, Depends(body(StartRun))]) -> Response:
        """Start a run: a named container of steps."""
        labels = RunLabels(
            project_id=given.project_id,
            conversation=given.conversation,
            planner=given.planner,
            executor=given.executor,
        )
        run = await engine.start_run(given.id, labels, actor(request), given.budget)
        return answer(run_view(run), 201)

    @routes.get("/runs/{run}", responses=one(RunView))
    async def get_run(run: Address) -> Response:
        """One run, how many of its steps are unsettled, and what it has used up."""
        found = await engine.get_run(run)
        return answer(run_view(found, await engine.spent(found)))

    @routes.patch("/runs/{run}", responses=one(RunView), openapi_extra=takes(ChangeRun))
    async def change_run(
        run: Address, request: Request, given: Annotated[ChangeRun, Depends(body(ChangeRun))]
    ) -> Response:
        """Abort, finish, pause or resume a run, or give it another budget."""
        budget = given.action is RunAction.BUDGET
        what = "change what a run may use up" if budget else f"{given.action} a run"
        await refuse_from_attempt(request, what)
        if budget != (given.budget is not None):
            raise InvalidInput("a budget goes with the action budget, and with no other")
        if given.budget is not None:
            changed = await engine.set_budget(run, given.budget, actor(request))
        else:
            action, when_idle = given.action.value, given.when_idle
            changed = await engine.change_run(run, action, actor(request), when_idle=when_idle)
        return answer(run_view(changed, await engine.spent(changed)))


def _add_submission(routes: APIRouter, engine: Engine) -> None:
    @routes.get("/runs/{run}/steps", responses=several(StepView))
    async def list_steps(run: Address) -> Response:
        """List a run's steps in the order of their submission."""
        steps = await engine.list_steps(run)
        return answer([step_view(each, engine.waiting_reason(each)) for each in steps])

    @routes.post(
        "/runs/{run}/steps", status_code=201, responses=one(StepView, 201), openapi_extra=takes(SubmitStep)
    )
    async def submit(
        run: Address, request: Request, given: Annotated[SubmitStep, Depends(body(SubmitStep))]
    ) -> Response:
        """Submit a task; it is recorded for good when this answers."""
        if given.trust:
            await refuse_from_attempt(request, "trust commands")
        step = await engine.submit(run, _submission(given), actor(request))
        return answer(step_view(step, engine.waiting_reason(step)), 201)

    @routes.get("/runs/{run}/gates", responses=several(Gate))
    async def list_gates(run: Address) -> Response:
        """List the questions a run has asked."""
        return answer(await engine.gates(run))


def _run_state(text: str) -> RunState:
    try:
        return RunState(text)
    except ValueError as problem:
        raise InvalidInput(f"no run can be {text!a}; the states are {', '.join(RunState)}") from problem


def _submission(given: SubmitStep) -> Submission:
    return Submission(
        source_kind=given.source_kind,
        source_name=given.source_name,
        format=given.format.value,
        text=given.text,
        overrides=given.overrides,
        cwd=given.cwd,
        idempotency_key=given.idempotency_key,
        trust=given.trust,
        start_run=given.start_run,
        priority=given.priority,
    )
