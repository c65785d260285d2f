"""What the servers under test share: a Redis full of states, a model, and carts to ask for."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow.xgboost
import numpy as np
import xgboost as xgb

from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import Live, LiveEvent
from cartwise.features.live_batch import LiveBatch
from cartwise.model import bundle
from cartwise.model.boosting import Boosting, Seeding, boost_fixed
from cartwise.model.bundle import ModelSpec
from cartwise.model.calibration import MARGINS, Calibrator
from cartwise.model.logistic import probability_of
from cartwise.model.onnx_export import to_onnx
from cartwise.model.policy import Economics, Policy
from cartwise.store import Merge, open_store
from cartwise.wire import format_time
from deploy.services.redis import Redis

BOOSTING = Boosting(rounds=300)
EVENTS, USERS, PRODUCTS, CARTS = 30_000, 5_000, 2_000, 500
START, SECONDS = 1_767_225_600, 86_400
_BATCH = 2000
# Pauses of the same length would let all connections ask at once, again and again.
_DELAY = "function delay() return -%f * math.log(1 - math.random()) end"


@contextmanager
def redis_with_states(folder: Path) -> Iterator[Redis]:
    """A Redis of its own that holds the states of made-up events."""
    server = Redis(folder)
    server.start()
    try:
        store, live = open_store(server.url, SPECIFICATION), Live(SPECIFICATION)
        events = made_up_events()
        for start in range(0, len(events), _BATCH):
            batch = LiveBatch(live.packing, events[start : start + _BATCH])
            deltas = batch.walk([None] * len(batch.keys)).deltas
            store.merge(Merge(dict(zip(batch.keys, deltas, strict=True)), ()))
        store.close()
        yield server
    finally:
        server.stop()


def made_up_events(seed: int = 1) -> list[LiveEvent]:
    """A day of a shop: mostly views, by users and of products of unequal liveliness."""
    random = np.random.default_rng(seed)
    users = np.minimum(random.exponential(USERS / 5, EVENTS), USERS - 1).astype(int)
    products = np.minimum(random.exponential(PRODUCTS / 5, EVENTS), PRODUCTS - 1).astype(int)
    kinds = random.choice(4, EVENTS, p=[0.9, 0.06, 0.01, 0.03])
    return [
        LiveEvent(
            START + i * SECONDS // EVENTS, int(kinds[i]), product, 100 + product % 50,
            "a.b", f"brand{product % 80}", 5.0 + product % 97, user, f"session-{user}",
        )
        for i, (user, product) in enumerate(zip(users.tolist(), products.tolist(), strict=True))
    ]  # fmt: skip


def carts() -> list[dict[str, object]]:
    """Bodies of requests."""
    chosen = made_up_events(seed=2)[-CARTS:]
    return [
        {
            "event_time": format_time(START + SECONDS),
            "product_id": event.product_id,
            "category_id": event.category_id,
            "category_code": event.category_code,
            "brand": event.brand,
            "price": event.price,
            "user_id": event.user_id,
            "user_session": event.user_session,
        }
        for event in chosen
    ]


def write_models(folder: Path) -> None:
    """The same trees as a bundle, ``bundle/``, and as MLflow serves them, ``mlflow/``."""
    names = SPECIFICATION.vector
    random = np.random.default_rng(0)
    vectors = random.normal(size=(20_000, len(names))).astype(np.float32)
    bought = (vectors[:, :30].sum(axis=1) + 3 * random.normal(size=len(vectors)) > 0).astype(float)
    booster = boost_fixed(vectors, bought, names, BOOSTING, Seeding())
    bundle.write_bundle(folder / "bundle", _files(booster, names))
    mlflow.xgboost.save_model(booster, folder / "mlflow", model_format="ubj")


def _files(booster: xgb.Booster, names: tuple[str, ...]) -> dict[str, bytes]:
    spec = ModelSpec(names, SPECIFICATION.fingerprint, 86_400, "user")
    calibrator = Calibrator("platt", probability_of(MARGINS))
    return {
        bundle.BOOSTER: bytes(booster.save_raw("ubj")),
        bundle.GRAPH: to_onnx(booster),
        bundle.CALIBRATION: bundle.as_json(calibrator.to_json()),
        bundle.SPEC: bundle.as_json(spec.to_json()),
        bundle.POLICY: bundle.as_json(Policy(Economics(), 50.0).to_json()),
        bundle.METRICS: bundle.as_json({}),
        bundle.CARD: b"# Made up\n",
    }


def write_load(file: Path, pause_ms: float = 0.0) -> Path:
    """A script for wrk: all carts in turn; it ends with a line of JSON.

    With ``pause_ms`` connections pause for so long on average before each request.
    """
    bodies = ",\n".join(json.dumps(json.dumps(cart)) for cart in carts())
    file.write_text(
        f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local bodies = {{ {bodies} }}
local i = 0
function request()
  i = i % #bodies + 1
  return wrk.format(nil, nil, nil, bodies[i])
end
{_DELAY % pause_ms if pause_ms else ""}
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('JSON {{"requests": %d, "seconds": %f, "errors": %d',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout))
  for _, p in pairs({{50, 90, 99, 99.9}}) do
    io.write(string.format(', "p%s_ms": %f', p, latency:percentile(p) / 1000))
  end
  io.write("}}\\n")
end
"""
    )
    return file
