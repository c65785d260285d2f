"""Events: the door for shops that have no Kafka client."""

from http import HTTPStatus

from fastapi import APIRouter

from cartwise import wire
from cartwise.errors import CartwiseError, RefusedMessage
from cartwise.serving.problems import Refusal, later
from cartwise.serving.schemas import Accepted, Event, Events, RefusedEvent
from cartwise.serving.service import Service


def event_routes(service: Service) -> APIRouter:
    """Routes that take events."""
    router = APIRouter(tags=["events"])

    @router.post("/v1/events", status_code=HTTPStatus.ACCEPTED, summary="Send events")
    async def send(events: Events) -> Accepted:
        """Take events into the stream, durably and in their order, before this is answered.

        Those that break a rule of the data contract are named in the answer and left out.
        """
        if service.events is None:
            raise Refusal(
                HTTPStatus.NOT_IMPLEMENTED,
                "this server takes no events: start it with --kafka-bootstrap or --embedded",
            )
        kept, refused = _sorted_out(events.events, service.now().timestamp())
        try:
            await service.events.send(kept)
        except CartwiseError as error:
            raise later(HTTPStatus.SERVICE_UNAVAILABLE, str(error), 5) from error
        return Accepted(accepted=len(kept), refused=refused)

    return router


def _sorted_out(events: list[Event], now: float) -> tuple[list[wire.Event], list[RefusedEvent]]:
    kept, refused = [], []
    for index, event in enumerate(events):
        try:
            read = wire.decode_event(event.model_dump_json().encode())
            wire.require_not_ahead(read, now)
            kept.append(read)
        except RefusedMessage as error:
            refused.append(RefusedEvent(index=index, rules=list(error.rules)))
    return kept, refused
