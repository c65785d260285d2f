"""Scores: of one cart, of many, and those of late."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from cartwise import wire
from cartwise.features.live import LiveEvent
from cartwise.serving.explaining import Explanation
from cartwise.serving.guard import charge
from cartwise.serving.outcomes import Outcome
from cartwise.serving.schemas import (
    MOST_REASONS,
    Answer,
    Answers,
    CartEvent,
    Carts,
    Decision,
    FeaturesUsed,
    RecentScore,
    RecentScores,
)
from cartwise.serving.scorer import CHUNK, Scored, age_seconds, live_event
from cartwise.serving.service import REMEMBERED, Service

Keep = Annotated[
    bool,
    Query(description="Whether it is kept, counted and shown among scores of late: false to try."),
]


def score_routes(service: Service) -> APIRouter:
    """Routes that score."""
    router = APIRouter(tags=["scores"])

    @router.post("/v1/score", summary="Score a cart", response_model_exclude_none=False)
    async def score(
        cart: CartEvent,
        explain: Annotated[
            int, Query(ge=0, le=MOST_REASONS, description="How many reasons to give.")
        ] = 0,
        *,
        keep: Keep = True,
    ) -> Answer:
        """How likely a product that was just put into a cart is to be bought.

        Send the cart event itself. Whether the stream of events has brought it already makes no
        difference to the answer.
        """
        scored = await service.scorer.score(_event(cart), service.pair())
        if keep:
            service.keep(scored)
        if not explain:
            return _answer(scored)
        return _answer(scored, await service.explaining.explain(scored, explain))

    @router.post("/v1/score/batch", summary="Score many carts")
    async def score_batch(carts: Carts, request: Request, *, keep: Keep = True) -> Answers:
        """Scores of many carts, all by the same model. Each is scored as if it were alone.

        To the rate of the key, a cart is a request.
        """
        pair = service.pair()
        charge(request, len(carts.carts) - 1)
        events = [_event(cart) for cart in carts.carts]
        scored = await service.scorer.score_all(events, pair)
        for one in scored if keep else ():
            service.keep(one)
        return Answers(answers=[_answer(one) for one in scored])

    return router


def recent_routes(service: Service) -> APIRouter:
    """Routes that show scores which were given."""
    router = APIRouter(tags=["scores"])

    @router.get("/v1/scores/recent", summary="Scores of late")
    async def recent(limit: Annotated[int, Query(ge=1, le=REMEMBERED)] = 100) -> RecentScores:
        """Carts that this process has scored, the latest first. They are forgotten with it."""
        latest = [service.recent[i] for i in range(min(limit, len(service.recent)))]
        scores: list[RecentScore] = []
        # In parts, between which carts that wait for their score get their turn.
        for start in range(0, len(latest), CHUNK):
            part = latest[start : start + CHUNK]
            outcomes = await service.outcomes.of([scored for _, scored in part])
            pairs = zip(part, outcomes, strict=True)
            scores += [_recent(*one, outcome) for one, outcome in pairs]
        return RecentScores(scores=scores)

    return router


def _event(cart: CartEvent) -> LiveEvent:
    seconds = wire.parse_time(cart.event_time)
    assert seconds is not None  # noqa: S101 - the schema lets no other text through
    return live_event(cart, seconds)


def _answer(scored: Scored, why: Explanation | None = None) -> Answer:
    return Answer(
        probability=scored.probability,
        decision=Decision(
            nudge=scored.expected_value > 0,
            expected_value=scored.expected_value,
            threshold=scored.threshold,
            reckoned_price=scored.reckoned_price,
        ),
        model_version=scored.model.version,
        features=FeaturesUsed(
            source=_source(scored),
            age_seconds=age_seconds(scored),
            seen=scored.fresh is not None and scored.fresh.seen,
        ),
        reasons=why.reasons if why else None,
        base=why.base if why else None,
        rest=why.rest if why else None,
    )


def _source(scored: Scored) -> Literal["store", "request-only"]:
    return "request-only" if scored.fresh is None else "store"


def _recent(at: datetime, scored: Scored, outcome: Outcome) -> RecentScore:
    event = scored.event
    return RecentScore(
        cart=CartEvent(
            event_time=wire.format_time(event.time),
            product_id=event.product_id,
            category_id=event.category_id,
            category_code=event.category_code,
            brand=event.brand,
            price=event.price,
            user_id=event.user_id,
            user_session=event.user_session,
        ),
        probability=scored.probability,
        nudge=scored.expected_value > 0,
        expected_value=scored.expected_value,
        reckoned_price=scored.reckoned_price,
        model_version=scored.model.version,
        features=_source(scored),
        scored_at=at,
        outcome=outcome,
    )
