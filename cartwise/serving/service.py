"""What the routes share: the parts of one server, each of which may be tried by itself."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Final, Protocol

from cartwise import wire
from cartwise.serving.explaining import Explaining
from cartwise.serving.metrics import Metrics
from cartwise.serving.models import Models, Pair
from cartwise.serving.outcomes import Outcomes
from cartwise.serving.problems import later
from cartwise.serving.scorelog import ScoreLog
from cartwise.serving.scorer import Scored, Scorer
from cartwise.serving.store_reader import StoreReader

REMEMBERED: Final = 1000
"""Scores that a server remembers for those who look on."""


class EventSink(Protocol):
    """Where events go that are sent to the API."""

    async def send(self, events: Sequence[wire.Event]) -> None:
        """Take these events in their order, durably; raises CartwiseError where it cannot."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why it takes no events at the moment."""
        ...


@dataclass(frozen=True)
class Service:
    """One server's parts. ``now`` tells the time, ``events`` may be missing."""

    scorer: Scorer
    store: StoreReader
    models: Models
    explaining: Explaining
    outcomes: Outcomes
    score_log: ScoreLog
    metrics: Metrics
    now: Callable[[], datetime]
    events: EventSink | None = None
    recent: deque[tuple[datetime, Scored]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def pair(self) -> Pair:
        """The models of the moment; raises Refusal where there are none yet."""
        if self.models.pair is None:
            raise later(HTTPStatus.SERVICE_UNAVAILABLE, "there is no model yet", 5)
        return self.models.pair

    def keep(self, scored: Scored) -> None:
        """Count an answer, remember it, and hand it to the score log."""
        features = "request-only" if scored.fresh is None else "store"
        self.metrics.probability.labels(features).observe(scored.probability)
        self.recent.appendleft((self.now(), scored))
        for score in records(scored):
            self.score_log.add(score)


def records(scored: Scored) -> list[wire.Score]:
    """What the score log keeps of an answer: the champion's score, and the challenger's."""
    scores = [_record(scored, scored.model.version, scored.probability, "champion")]
    if scored.shadow is not None:
        model, probability = scored.shadow
        scores.append(_record(scored, model.version, probability, "challenger"))
    return scores


def _record(scored: Scored, version: str, probability: float, role: str) -> wire.Score:
    event = scored.event
    whole = wire.Event(event.time, "cart", *event[2:])
    return wire.Score(
        event_id=wire.event_id(whole).hex(),
        user_id=event.user_id,
        product_id=event.product_id,
        user_session=event.user_session,
        cart_time=wire.format_time(event.time),
        probability=probability,
        model_version=version,
        fingerprint=scored.model.bundle.spec.fingerprint,
        vector=scored.vector.tobytes(),
        source="api",
        role=role,  # type: ignore[arg-type]
        features="request-only" if scored.fresh is None else "store",
    )
