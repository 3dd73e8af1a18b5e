"""The instance and its surroundings: /instance, /adapters, trust, clean-up, health, metrics."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from codencer import API_VERSION, __version__
from codencer.api.access import PREFIX, actor
from codencer.api.answers import answer
from codencer.api.bodies import body
from codencer.api.openapi import anything, stream, takes
from codencer.api.peers import refuse_from_attempt
from codencer.engine import Engine
from codencer.errors import InvalidInput


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """`checkout` is the absolute folder of the work tree whose commands are to be trusted."""

    checkout: str


@dataclass(frozen=True, kw_only=True)
class Collect:
    """`older_than_days` lets snapshots go at that age, this time, whatever retention_days says."""

    dry_run: bool = False
    older_than_days: int | None = None


def router(engine: Engine) -> APIRouter:
    routes = APIRouter(prefix=PREFIX, tags=["instance"])

    @routes.get("/instance", responses=anything("Which daemon this is and where its things are."))
    async def instance() -> Response:
        """The daemon and the repository it serves."""
        return answer(await engine.instance())

    @routes.get("/adapters", responses=anything("A list: each adapter, its version and problem."))
    async def adapters() -> Response:
        """Every adapter and whether its agent can be used here."""
        return answer(await engine.adapters())

    @routes.get("/trust", responses=anything("A list: commands of project files not trusted yet."))
    async def pending(checkout: str) -> Response:
        """What `POST /trust` for this checkout would allow to run."""
        return answer(await engine.pending_trust(checkout))

    @routes.post("/trust", responses=anything("What is trusted now."), openapi_extra=takes(Checkout))
    async def trust(request: Request, given: Annotated[Checkout, Depends(body(Checkout))]) -> Response:
        """Trust the commands that the project's own files name, by their content."""
        await refuse_from_attempt(request, "trust commands")
        return answer(await engine.trust(given.checkout, actor(request)))

    @routes.post("/gc", responses=anything("A list: what was removed."), openapi_extra=takes(Collect))
    async def gc(request: Request, given: Annotated[Collect, Depends(body(Collect))]) -> Response:
        """Remove what is provably no longer needed."""
        if given.older_than_days is not None:
            await refuse_from_attempt(request, "let snapshots go")
            if given.older_than_days < 0:
                raise InvalidInput("older_than_days must not be negative")
        return answer(await engine.gc(given.dry_run, given.older_than_days))

    return routes


def probes(engine: Engine) -> APIRouter:
    """The paths outside the versioned prefix."""
    routes = APIRouter(tags=["probes"])

    @routes.get("/health", responses=anything("It answers."))
    async def health() -> Response:
        """Whether the daemon and its ledger answer, and what keeps them from recording anything."""
        return answer(await engine.health())

    @routes.get("/version", responses=anything("Versions of the program and of the API."))
    async def version() -> Response:
        """The versions; clients compare `api_version`."""
        return answer({"version": __version__, "api_version": API_VERSION})

    @routes.get("/metrics", responses=stream("text/plain", "Prometheus text format."))
    async def metrics() -> Response:
        """Counts for a monitor."""
        lines = [f'codencer_info{{version="{__version__}"}} 1']
        lines += [f"{name} {value}" for name, value in (await engine.counts()).items()]
        return Response("\n".join((*lines, "")), media_type="text/plain; version=0.0.4")

    return routes
