"""The application: every router under its prefix, the guard in front of all of them."""

from fastapi import FastAPI

from codencer import __version__
from codencer.api import events, gates, instance, openapi, policies, problems, runs, steps
from codencer.api.access import Access, Guard
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
    routers = (
        *(runs.router(engine), steps.router(engine), gates.router(engine), policies.router(engine)),
        *(events.router(engine), instance.router(engine), instance.probes(engine)),
    )
    for router in routers:
        # Not `include_router`: it would make each route a second time.
        app.router.routes += router.routes
    return Guard(app, access)
