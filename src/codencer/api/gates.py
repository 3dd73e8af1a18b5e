"""Gates: /gates and /gates/{id}, to look at and to answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from codencer.api.access import PREFIX, actor
from codencer.api.addresses import Address
from codencer.api.answers import answer
from codencer.api.bodies import body
from codencer.api.openapi import one, several, takes
from codencer.api.peers import refuse_from_attempt
from codencer.engine import Engine
from codencer.engine.approval import Answer, Question
from codencer.model.gate import Gate


class GateAction(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, kw_only=True)
class Decide:
    """`tree` is the `snapshot_tree` that was looked at: required to approve, and it must be the gate's own.
    A rejection needs a `note`; with `retry` the step is tried again, and the note is told to the agent."""

    action: GateAction
    note: str = ""
    tree: str | None = None
    retry: bool = False


def router(engine: Engine) -> APIRouter:
    routes = APIRouter(prefix=PREFIX, tags=["gates"])

    @routes.get("/gates", responses=several(Gate))
    async def list_gates(run: str | None = None) -> Response:
        """List the questions that were asked, of one run or of all."""
        return answer(await engine.gates(run))

    @routes.get("/gates/{gate}", responses=one(Question))
    async def get_gate(gate: Address) -> Response:
        """One question: the trees it is bound to, why it was asked, and what policy knew."""
        return answer(await engine.gate(gate))

    @routes.post("/gates/{gate}", responses=one(Gate), openapi_extra=takes(Decide))
    async def decide(
        gate: Address, request: Request, given: Annotated[Decide, Depends(body(Decide))]
    ) -> Response:
        """Approve or reject; refused for another tree, a second time, and from inside an attempt."""
        await refuse_from_attempt(request, "answer a gate")
        said = Answer(action=given.action.value, note=given.note, tree=given.tree, retry=given.retry)
        return answer(await engine.decide(gate, said, actor(request)))

    return routes
