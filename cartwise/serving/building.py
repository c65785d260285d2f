"""A server's parts put together."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cartwise.features.live import Live
from cartwise.features.phrases import Phrases
from cartwise.features.spec import Specification
from cartwise.serving.breaker import Breaker, Patience
from cartwise.serving.explaining import Explaining
from cartwise.serving.metrics import Metrics
from cartwise.serving.models import Models, ModelSource
from cartwise.serving.outcomes import Outcomes
from cartwise.serving.scorelog import Nowhere, ScoreLog, ScoreSink
from cartwise.serving.scorer import Scorer
from cartwise.serving.service import EventSink, Service
from cartwise.serving.store_reader import TIMEOUT_SECONDS, StoreReader
from cartwise.store.protocol import AsyncStore


@dataclass(frozen=True)
class Outside:
    """What a server talks to. ``challenger``, ``scores`` and ``events`` may be missing."""

    store: AsyncStore
    champion: ModelSource
    challenger: ModelSource | None = None
    scores: ScoreSink | None = None
    events: EventSink | None = None


def build_service(
    specification: Specification,
    outside: Outside,
    now: Callable[[], datetime],
    *,
    store_timeout_seconds: float = TIMEOUT_SECONDS,
) -> Service:
    """A service whose models are yet to be loaded: ``service.models.refresh()``."""
    live, metrics = Live(specification), Metrics()
    breaker = Breaker(Patience(), time.monotonic)
    store = StoreReader(outside.store, breaker, metrics, store_timeout_seconds)
    return Service(
        scorer=Scorer(live, store),
        store=store,
        models=Models(specification.fingerprint, outside.champion, outside.challenger, now=now),
        explaining=Explaining(Phrases(specification)),
        outcomes=Outcomes(live, store),
        score_log=ScoreLog(outside.scores or Nowhere()),
        metrics=metrics,
        now=now,
        events=outside.events,
    )
