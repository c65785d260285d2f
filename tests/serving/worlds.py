"""A server's parts, real ones, small enough to be made in a second."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI

from cartwise import wire
from cartwise.errors import OutputError, StoreUnavailable
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import CART, Live, LiveEvent
from cartwise.features.live_batch import LiveBatch
from cartwise.features.phrases import Phrases
from cartwise.model import bundle
from cartwise.model.boosting import Boosting, Seeding, boost_fixed
from cartwise.model.bundle import ModelSpec
from cartwise.model.calibration import MARGINS, Calibrator
from cartwise.model.logistic import probability_of
from cartwise.model.onnx_export import to_onnx
from cartwise.model.policy import Economics, Policy
from cartwise.serving.app import create_app
from cartwise.serving.breaker import Breaker, Patience
from cartwise.serving.explaining import Explaining
from cartwise.serving.guard import Limits
from cartwise.serving.keys import Keyring, Scope
from cartwise.serving.metrics import Metrics
from cartwise.serving.models import Folder, Models
from cartwise.serving.outcomes import Outcomes
from cartwise.serving.scorelog import ScoreLog
from cartwise.serving.scorer import Scorer
from cartwise.serving.service import Service
from cartwise.serving.store_reader import StoreReader
from cartwise.store import AsyncStore

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CART_TIME = int(datetime(2026, 1, 1, 11, tzinfo=UTC).timestamp())


def cart_json(**changes: Any) -> dict[str, Any]:
    return {
        "event_time": "2026-01-01T11:00:00Z",
        "product_id": 5,
        "category_id": 2**40,
        "category_code": "electronics.audio",
        "brand": "acme",
        "price": 20.0,
        "user_id": 7,
        "user_session": "s",
        **changes,
    }


def cart_event(**changes: Any) -> LiveEvent:
    event = LiveEvent(CART_TIME, CART, 5, 2**40, "electronics.audio", "acme", 20.0, 7, "s")
    return event._replace(**changes)


def history(count: int = 40) -> list[LiveEvent]:
    """Events of the cart's user, product, session and others before it."""
    random = np.random.default_rng(3)
    return [
        cart_event(
            time=CART_TIME - 60 * (count - i),
            kind=int(random.integers(0, 4)),
            product_id=int(random.integers(3, 6)),
            user_id=int(random.integers(6, 8)),
            user_session=str(random.choice(["s", "t"])),
        )
        for i in range(count)
    ]


def write_model(
    folder: Path,
    seed: int = 0,
    fingerprint: str = SPECIFICATION.fingerprint,
    reference_price: float = 25.0,
) -> Path:
    """A bundle for the real specification, trained on noise; another for every seed."""
    names = SPECIFICATION.vector
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(400, len(names))).astype(np.float32)
    bought = (vectors[:, :20].sum(axis=1) + random.normal(size=400) > 0).astype(np.float64)
    boosting = Boosting(rounds=20, depth=3, learning_rate=0.3, min_child_weight=1)
    booster = boost_fixed(vectors, bought, names, boosting, Seeding(threads=1))
    policy = Policy(Economics(), reference_price)
    calibrator = Calibrator("platt", probability_of(0.1 + 0.9 * MARGINS))
    files = {
        bundle.BOOSTER: bytes(booster.save_raw("ubj")),
        bundle.GRAPH: to_onnx(booster),
        bundle.CALIBRATION: bundle.as_json(calibrator.to_json()),
        bundle.SPEC: bundle.as_json(ModelSpec(names, fingerprint, 86_400, "user").to_json()),
        bundle.POLICY: bundle.as_json(policy.to_json()),
        bundle.METRICS: bundle.as_json(
            {"auc": 0.7, "data_version": "beef", "learned_until": "2026-01-01T00:00:00+00:00"}
        ),
        bundle.CARD: b"# A model of noise\n",
    }
    bundle.write_bundle(folder, files)
    return folder


class States:
    """A store in memory, that can be away."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.states: dict[bytes, bytes] = {}
        self.away = False
        self.reads = 0

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("the store is away")
        return [self.states.get(key) for key in keys]

    async def check(self) -> None:
        if self.away:
            raise StoreUnavailable("the store is away")

    def apply(self, events: Sequence[LiveEvent]) -> None:
        """What the stream worker does, without its scores."""
        batch = LiveBatch(self._live.packing, events)
        old = [self.states.get(key) for key in batch.keys]
        deltas = batch.walk(old).deltas
        merged = self._live.packing.merge(batch.keys, old, deltas)
        self.states.update(zip(batch.keys, merged, strict=True))


class Kept:
    """A sink of scores that keeps them in a list, and that can be full."""

    def __init__(self) -> None:
        self.scores: list[wire.Score] = []
        self.full = False

    def write(self, scores: Sequence[wire.Score]) -> None:
        if self.full:
            raise OutputError("no space is left")
        self.scores += scores

    def close(self) -> None:
        pass


class Taken:
    """A sink of events that keeps them in a list, and that can be away."""

    def __init__(self) -> None:
        self.events: list[wire.Event] = []
        self.trouble: str | None = None

    async def send(self, events: Sequence[wire.Event]) -> None:
        if self.trouble:
            raise StoreUnavailable(self.trouble)
        self.events += events


@dataclass
class World:
    """A server and all that a test may want to reach of it."""

    live: Live
    states: States
    models: Models
    service: Service
    app: FastAPI
    kept: Kept
    taken: Taken
    keyring: Keyring
    keys: dict[str, str] = field(default_factory=dict)

    def headers(self, *scopes: Scope) -> dict[str, str]:
        """Of a client with a key for these scopes, all if none is named."""
        name = " ".join(scopes) or "all"
        return {"Authorization": f"Bearer {self.keys[name]}"}


def make_world(
    model: Path,
    *,
    challenger: Path | None = None,
    limits: Limits | None = None,
    report: Path | None = None,
    seconds: list[float] | None = None,
    store: AsyncStore | None = None,
) -> World:
    """A server with the bundle ``model``, on ``store`` or on states in memory.

    ``seconds[0]`` is the clock of its circuit breaker.
    """
    clock = seconds or [0.0]
    live = Live(SPECIFICATION)
    states, metrics = States(live), Metrics()
    reader = StoreReader(store or states, Breaker(Patience(2, 10.0), lambda: clock[0]), metrics)
    challengers = Folder(challenger) if challenger else None
    models = Models(SPECIFICATION.fingerprint, Folder(model), challengers, now=lambda: NOW)
    models.refresh()
    kept, taken = Kept(), Taken()
    service = Service(
        scorer=Scorer(live, reader),
        store=reader,
        models=models,
        explaining=Explaining(Phrases(SPECIFICATION)),
        outcomes=Outcomes(live, reader),
        score_log=ScoreLog(kept, pause=0.01),
        metrics=metrics,
        now=lambda: NOW,
        events=taken,
    )
    keyring, keys = Keyring(), {}
    for name, scopes in {"all": list(Scope), **{scope: [scope] for scope in Scope}}.items():
        keyring, keys[name] = keyring.with_new(name, scopes, NOW)
    app = create_app(service, keyring=lambda: keyring, limits=limits, report=report)
    return World(live, states, models, service, app, kept, taken, keyring, keys)
