"""Gates, for reading: /gates and /gates/{id}."""

from fastapi import APIRouter, Response

from codencer.api.addresses import Address
from codencer.api.answers import answer
from codencer.api.openapi import one, several
from codencer.engine import Engine
from codencer.errors import NotFound
from codencer.model.gate import Gate


def router(engine: Engine) -> APIRouter:
    routes = APIRouter(tags=["gates"])

    @routes.get("/gates", responses=several(Gate))
    async def list_gates(run: str | None = None) -> Response:
        """List the questions that were asked, of one run or of all."""
        return answer(await engine.gates(run))

    @routes.get("/gates/{gate}", responses=one(Gate))
    async def get_gate(gate: Address) -> Response:
        """One question, bound to the trees it was asked about."""
        for each in await engine.gates(None):
            if each.id == gate:
                return answer(each)
        raise NotFound(f"there is no gate {gate}")

    return routes
