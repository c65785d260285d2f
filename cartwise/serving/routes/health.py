"""Health: for those who start, stop and watch servers. Only the reasons need a key."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from cartwise import wire
from cartwise.serving.schemas import Health, Part, Readiness, State, Status
from cartwise.serving.service import Service


def health_routes(service: Service) -> APIRouter:
    """Routes that tell how the server is."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Whether the process lives")
    async def health() -> Health:
        """Answers while the process can answer anything."""
        return Health()

    @router.get(
        "/readyz",
        summary="Whether it answers, and how well",
        responses={503: {"model": Readiness, "description": "It cannot score."}},
    )
    async def ready(response: Response) -> Readiness:
        """`ready`, `degraded` (what is away is named; scores are still given) or `unready`."""
        status = status_of(service)
        if status.status == "unready":
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        parts = [Part(name=part.name, ok=part.ok) for part in status.parts]
        return Readiness(status=status.status, parts=parts)

    return router


def status_routes(service: Service) -> APIRouter:
    """Routes that tell why the server is as it is."""
    router = APIRouter(tags=["health"])

    @router.get("/v1/status", summary="How each part of the server is, and why")
    async def status() -> Status:
        """As `/readyz`, with the reasons: they name hosts and folders, so they need a key."""
        latest = await service.scorer.latest_event()
        told = None if latest is None else wire.format_time(round(latest))
        return status_of(service).model_copy(update={"latest_event": told})

    return router


def status_of(service: Service) -> Status:
    """What works and what does not."""
    parts = [_store(service), *_models(service), _score_log(service), *_events(service)]
    for part in parts:
        service.metrics.trouble.labels(part.name).set(part.ok)
    if service.models.pair is None:
        return Status(status="unready", parts=parts)
    degraded = not all(part.ok for part in parts)
    return Status(status="degraded" if degraded else "ready", parts=parts)


def _store(service: Service) -> State:
    trouble = service.store.trouble
    return State(name="store", ok=trouble is None, detail=trouble or "answers")


def _models(service: Service) -> list[State]:
    pair, trouble = service.models.pair, service.models.trouble
    states = []
    for role in ("champion", "challenger"):
        model = getattr(pair, role, None)
        if model or role in trouble:
            version = model.version if model else "none"
            detail = f"{version}; refused: {trouble[role]}" if role in trouble else version
            states.append(State(name=role, ok=role not in trouble, detail=detail))
    return states


def _score_log(service: Service) -> State:
    tally = service.score_log.tally
    detail = tally.failure or f"{tally.kept} kept, {tally.dropped} dropped"
    return State(name="score log", ok=tally.failure is None, detail=detail)


def _events(service: Service) -> list[State]:
    if service.events is None:
        return []
    trouble = service.events.trouble
    return [State(name="events", ok=trouble is None, detail=trouble or "are taken")]
