"""The API with a real Redis that goes away and comes back."""

from pathlib import Path

import pytest

from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import Live
from cartwise.features.live_batch import LiveBatch
from cartwise.model.bundle import Bundle
from cartwise.store import Advance, Merge, Position, open_store
from deploy.services.redis import Redis
from tests.serving.processes import Server, serving, until
from tests.serving.worlds import cart_event, cart_json, history, write_model

pytestmark = pytest.mark.integration


def score(server: Server) -> dict[str, object]:
    response = server.post("/v1/score", cart_json())
    assert response.status_code == 200, response.text
    return dict(response.json())


def source(server: Server) -> object:
    features = score(server)["features"]
    assert isinstance(features, dict)
    return features["source"]


@pytest.mark.parametrize("own_redis", ["always"], indirect=True)
def test_a_store_that_dies_gives_marked_answers_and_comes_back_by_itself(
    own_redis: Redis, tmp_path: Path
) -> None:
    model = write_model(tmp_path / "model")
    live = Live(SPECIFICATION)
    store = open_store(own_redis.url, SPECIFICATION)
    events = history()
    batch = LiveBatch(live.packing, events)
    walked = batch.walk(store.read(batch.keys))
    advance = Advance("topic/0", None, Position(len(events)))
    store.merge(Merge(dict(zip(batch.keys, walked.deltas, strict=True)), [advance]))
    keys = live.keys(cart_event())
    vector = live.vector(cart_event(), store.read(keys))
    probability = float(Bundle.load(model).score(vector[None, :])[0])
    store.close()
    with serving(tmp_path, "--model", "model", CARTWISE_STORE_URL=own_redis.url) as server:
        whole = score(server)
        assert whole["probability"] == probability
        own_redis.kill()
        assert until(lambda: source(server) == "request-only")
        assert until(lambda: server.status()["status"] == "degraded")
        own_redis.start()
        assert until(lambda: source(server) == "store")
        assert score(server) == whole
        assert until(lambda: server.status()["status"] == "ready")
