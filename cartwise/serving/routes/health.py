"""Health: for those who start, stop and watch servers. Needs no key."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from cartwise.serving.schemas import Health, Readiness, State
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
        readiness = readiness_of(service)
        if readiness.status == "unready":
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return readiness

    return router


def readiness_of(service: Service) -> Readiness:
    """What works and what does not."""
    parts = [_store(service), *_models(service), _score_log(service), *_events(service)]
    for part in parts:
        service.metrics.trouble.labels(part.name).set(part.ok)
    if service.models.pair is None:
        return Readiness(status="unready", parts=parts)
    degraded = not all(part.ok for part in parts)
    return Readiness(status="degraded" if degraded else "ready", parts=parts)


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
