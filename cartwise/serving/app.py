"""The API as an ASGI application, made of values; importing this does nothing."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from cartwise import __version__
from cartwise.serving.documentation import documentation_routes
from cartwise.serving.guard import OPEN, Guard, Limits
from cartwise.serving.keys import Keyring, Scope
from cartwise.serving.metrics import Measured
from cartwise.serving.openapi import describe_keys
from cartwise.serving.problems import answer_errors_with_problems, describe_problems
from cartwise.serving.routes.events import event_routes
from cartwise.serving.routes.health import health_routes, status_routes
from cartwise.serving.routes.models import model_routes, refresh_routes
from cartwise.serving.routes.scores import recent_routes, score_routes
from cartwise.serving.service import Service

_PROBLEMS: Final = (400, 401, 403, 404, 405, 408, 413, 422, 429, 500, 503)
_DESCRIPTION: Final = """How likely is a product that was just put into a cart to be bought?

Every route but the health checks and this document wants a key: `Authorization: Bearer cw_…`.
Every error is a problem document (RFC 9457). Ids are 64-bit integers: read them as such."""

CLOSING_SECONDS: Final = 5.0
"""How long the score log may take, at the end, for what is still in its queue."""

Background = Callable[[], Awaitable[None]]


def create_app(
    service: Service,
    *,
    keyring: Callable[[], Keyring | None],
    limits: Limits | None = None,
    report: Path | None = None,
    on_start: Callable[[], None] = lambda: None,
    background: Sequence[Background] = (),
    on_close: Sequence[Background] = (),
) -> FastAPI:
    """The application.

    ``keyring`` gives the keys of the moment, None if everybody may do everything. ``on_start``
    is called when all is loaded, ``background`` are tasks that run as long as the application does,
    ``on_close`` is done at its end.
    """
    app = FastAPI(
        title="Cartwise",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=_lifespan(service, on_start, background, on_close),
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    scopes = _include(app, service, report)
    describe_keys(app, scopes)
    app.include_router(documentation_routes(app.openapi))
    answer_errors_with_problems(app)
    app.add_middleware(
        Guard,
        scopes=scopes,
        keyring=keyring,
        limits=limits or Limits(),
        clock=time.monotonic,
    )
    app.add_middleware(Measured, metrics=service.metrics, paths={*scopes, *OPEN})
    return app


def _lifespan(
    service: Service,
    on_start: Callable[[], None],
    background: Sequence[Background],
    on_close: Sequence[Background],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(service.scorer.warm_up)
        service.score_log.start()
        on_start()
        tasks = [asyncio.ensure_future(task()) for task in background]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            service.explaining.close()
            await asyncio.to_thread(service.score_log.close, CLOSING_SECONDS)
            for close in on_close:
                await close()

    return lifespan


def _include(app: FastAPI, service: Service, report: Path | None) -> dict[str, Scope]:
    """Add all routes; the scope that each path needs."""
    guarded = {
        Scope.SCORE: [score_routes(service)],
        Scope.EVENTS: [event_routes(service)],
        Scope.READ: [recent_routes(service), model_routes(service, report), status_routes(service)],
        Scope.ADMIN: [refresh_routes(service)],
    }
    app.include_router(health_routes(service))
    scopes: dict[str, Scope] = {}
    for scope, routers in guarded.items():
        for router in routers:
            app.include_router(router, responses=describe_problems(_PROBLEMS))
            scopes |= dict.fromkeys(_paths(router), scope)
    return scopes


def _paths(router: APIRouter) -> list[str]:
    return [route.path for route in router.routes if isinstance(route, APIRoute)]
