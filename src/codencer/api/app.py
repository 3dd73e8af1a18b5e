"""The application: every router under its prefix, the guard in front of all of them."""

from fastapi import FastAPI

from codencer import __version__
from codencer.api import events, gates, instance, openapi, policies, problems, runs, steps
from codencer.api.access import PREFIX, Access, Guard
from codencer.engine import Engine


def build_app(engine: Engine, access: Access) -> Guard:
    """Return the ASGI application of a daemon; `access` is what a request over TCP must show."""
    app = FastAPI(
        title="Codencer",
        version=__version__,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    openapi.install(app, __version__)
    app.include_router(runs.router(engine), prefix=PREFIX)
    app.include_router(steps.router(engine), prefix=PREFIX)
    app.include_router(gates.router(engine), prefix=PREFIX)
    app.include_router(policies.router(engine), prefix=PREFIX)
    app.include_router(events.router(engine), prefix=PREFIX)
    app.include_router(instance.router(engine), prefix=PREFIX)
    app.include_router(instance.probes(engine))
    return Guard(app, access)
