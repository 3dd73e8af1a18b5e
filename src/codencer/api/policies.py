"""Policies: whether a file is one, why a step was judged so, and how another one would judge it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from codencer.api.access import PREFIX
from codencer.api.addresses import Address
from codencer.api.answers import answer
from codencer.api.bodies import body
from codencer.api.openapi import one, takes
from codencer.engine import Engine
from codencer.engine.explaining import Checked, Explanation, Trial


@dataclass(frozen=True, kw_only=True)
class PolicyText:
    """The text of a policy file, and its path for messages."""

    text: str
    source: str = "policy.yaml"


def router(engine: Engine) -> APIRouter:
    routes = APIRouter(prefix=PREFIX, tags=["policies"])

    @routes.post("/policies/check", responses=one(Checked), openapi_extra=takes(PolicyText))
    async def check(given: Annotated[PolicyText, Depends(body(PolicyText))]) -> Response:
        """Everything that is wrong with a policy file, by line."""
        return answer(await engine.check_policy(given.text, given.source))

    @routes.get("/steps/{step}/policy", responses=one(Explanation))
    async def explain(step: Address) -> Response:
        """Why the newest attempt was judged as it was: facts, keys that fired, decision."""
        return answer(await engine.explain_policy(step))

    @routes.post("/steps/{step}/policy/try", responses=one(Trial), openapi_extra=takes(PolicyText))
    async def try_policy(step: Address, given: Annotated[PolicyText, Depends(body(PolicyText))]) -> Response:
        """How another policy would judge the newest attempt, by its recorded facts; changes nothing."""
        return answer(await engine.try_policy(step, given.text, given.source))

    return routes
