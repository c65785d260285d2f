from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import LiveEvent
from cartwise.features.live_batch import LiveBatch
from cartwise.model.bundle import Bundle
from cartwise.model.policy import Economics, what_if
from cartwise.serving.scorer import CHUNK
from tests.serving.worlds import (
    CART_TIME,
    World,
    cart_event,
    cart_json,
    history,
    make_world,
    write_model,
)


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with TestClient(world.app) as client:
        yield client


def score(world: World, client: TestClient, **changes: Any) -> dict[str, Any]:
    response = client.post("/v1/score", json=cart_json(**changes), headers=world.headers())
    assert response.status_code == 200, response.text
    return dict(response.json())


def worker_score(world: World, model: Path, event: LiveEvent) -> float:
    """What the stream worker publishes for a cart that comes next."""
    batch = LiveBatch(world.live.packing, [event])
    walked = batch.walk([world.states.states.get(key) for key in batch.keys])
    return float(Bundle.load(model).score(walked.vectors)[0])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"user_session": None},
        {"brand": None, "category_id": None},
        {"brand": ""},
        {"price": 0.0},
        {"user_id": 10**9, "user_session": "new"},
    ],
)
def test_the_api_and_the_worker_give_the_same_bits_whoever_is_first(
    world: World, client: TestClient, model: Path, changes: dict[str, Any]
) -> None:
    world.states.apply(history())
    event = cart_event(**{**changes, "brand": changes.get("brand", "acme") or None})
    by_worker = worker_score(world, model, event)
    before = score(world, client, **changes)
    world.states.apply([event])
    after = score(world, client, **changes)
    assert before["probability"] == after["probability"] == by_worker
    assert (before["features"]["seen"], after["features"]["seen"]) == (False, True)


def test_a_score_alone_and_in_a_batch_are_the_same(world: World, client: TestClient) -> None:
    world.states.apply(history())
    carts = [cart_json(user_id=number % 9, price=1.0 + number) for number in range(120)]
    response = client.post("/v1/score/batch", json={"carts": carts}, headers=world.headers())
    alone = [score(world, client, **cart) for cart in carts]
    assert response.json()["answers"] == alone


def test_one_cart_is_one_round_trip(world: World, client: TestClient) -> None:
    score(world, client)
    assert world.states.reads == 1


def test_the_answer_says_whether_a_nudge_pays(world: World, client: TestClient) -> None:
    world.states.apply(history())
    for price in (20.0, 2000.0):
        answer = score(world, client, price=price)
        worth = answer["probability"] * 0.2 * 0.25 * price - 1.0
        assert answer["decision"]["expected_value"] == pytest.approx(worth)
        assert answer["decision"]["nudge"] == (worth > 0)
        assert answer["decision"]["nudge"] == (
            answer["probability"] > answer["decision"]["threshold"]
        )


def test_a_cart_of_unknown_price_is_decided_at_the_usual_one(
    world: World, client: TestClient
) -> None:
    answer = score(world, client, price=0.0)
    worth = answer["probability"] * 0.2 * 0.25 * 25.0 - 1.0
    assert answer["decision"]["expected_value"] == pytest.approx(worth)
    assert answer["decision"]["threshold"] == pytest.approx(1.0 / (0.2 * 0.25 * 25.0))
    assert answer["decision"]["reckoned_price"] == 25.0
    shown = client.post("/v1/policy/what-if", json={}, headers=world.headers()).json()
    assert shown["earnings"]["everyone_value"] == pytest.approx(1000 * worth)


def test_where_no_price_is_known_no_nudge_is_advised_and_no_earnings_are_told(
    tmp_path: Path,
) -> None:
    world = make_world(write_model(tmp_path / "model", reference_price=0.0))
    with TestClient(world.app) as client:
        unknown, known = (score(world, client, price=price) for price in (0.0, 1e6))
        assert unknown["decision"] == {
            "nudge": False,
            "expected_value": -1.0,
            "threshold": 1.0,
            "reckoned_price": 0.0,
        }
        assert known["decision"]["nudge"]
        assert known["decision"]["reckoned_price"] == 1e6
        asked = client.post("/v1/policy/what-if", json={}, headers=world.headers())
        assert asked.json()["earnings"] is not None
        assert asked.json()["carts"] == 1
        world.service.recent.popleft()
        asked = client.post("/v1/policy/what-if", json={}, headers=world.headers())
        assert asked.json()["earnings"] is None
        assert asked.json()["carts"] == 0


def test_the_age_is_that_of_the_latest_event(world: World, client: TestClient) -> None:
    assert score(world, client)["features"]["age_seconds"] is None
    world.states.apply(history())
    assert score(world, client)["features"]["age_seconds"] == 60.0
    world.states.apply([cart_event(time=cart_event().time + 30, user_id=99)])
    assert score(world, client)["features"]["age_seconds"] == -30.0


def test_reasons_are_the_strongest_contributions_in_words(world: World, client: TestClient) -> None:
    world.states.apply(history())
    headers = world.headers()
    response = client.post("/v1/score?explain=5", json=cart_json(), headers=headers).json()
    reasons = response["reasons"]
    sizes = [abs(reason["contribution"]) for reason in reasons]
    assert len(reasons) == 5
    assert sizes == sorted(sizes, reverse=True)
    assert all(reason["feature"] in SPECIFICATION.vector for reason in reasons)
    assert all(reason["feature"] not in reason["text"] for reason in reasons)
    assert score(world, client)["reasons"] is None


def test_all_contributions_and_the_bias_add_up_to_the_margin(world: World) -> None:
    champion = world.service.pair().champion
    vectors = np.random.default_rng(1).normal(size=(5, len(SPECIFICATION.vector)))
    rows = vectors.astype(np.float32)
    total = champion.explainer.contributions(rows).values.sum(axis=1)
    bias = champion.bundle.margin(rows) - total
    assert bias == pytest.approx(np.full(5, bias[0]), abs=1e-4)


def test_a_store_that_is_away_gives_marked_answers_until_it_is_back(model: Path) -> None:
    seconds = [0.0]
    world = make_world(model, seconds=seconds)
    world.states.apply(history())
    with TestClient(world.app) as client:
        whole = score(world, client)
        world.states.away = True
        marked = [score(world, client) for _ in range(5)]
        assert {answer["features"]["source"] for answer in marked} == {"request-only"}
        assert client.get("/readyz").json()["status"] == "degraded"
        # Two failures opened the breaker: nobody waits for the store any more.
        assert world.states.reads == 3
        world.states.away = False
        assert score(world, client)["features"]["source"] == "request-only"
        seconds[0] = 11.0
        assert score(world, client) == whole
        assert client.get("/readyz").json()["status"] == "ready"


def test_without_states_the_cart_itself_is_still_known(world: World, client: TestClient) -> None:
    world.states.away = True
    score(world, client)
    (_, scored) = world.service.recent[0]
    alone = world.live.vector(cart_event(), [None] * len(world.live.keys(cart_event())))
    assert scored.vector.tobytes() == alone.tobytes()


def test_states_of_another_specification_are_not_used(world: World, client: TestClient) -> None:
    world.states.apply(history())
    world.states.states = {key: b"otherone" + s[8:] for key, s in world.states.states.items()}
    answer = score(world, client)
    assert answer["features"]["source"] == "request-only"
    status = client.get("/v1/status", headers=world.headers())
    assert "specification" in str(status.json())


def test_strangers_hear_what_is_away_and_not_why(world: World, client: TestClient) -> None:
    world.states.away = True
    score(world, client)
    told = client.get("/readyz").json()
    reasons = client.get("/v1/status", headers=world.headers()).json()
    assert told["status"] == reasons["status"] == "degraded"
    assert [set(part) for part in told["parts"]] == [{"name", "ok"}] * len(reasons["parts"])
    assert next(part for part in reasons["parts"] if part["name"] == "store")["detail"]


def test_every_answer_is_in_the_score_log(world: World, model: Path) -> None:
    world.states.apply(history())
    with TestClient(world.app) as client:
        answers = [score(world, client, product_id=number) for number in range(30)]
    assert [kept.product_id for kept in world.kept.scores] == list(range(30))
    assert [kept.probability for kept in world.kept.scores] == [a["probability"] for a in answers]
    bundle = Bundle.load(model)
    for kept in world.kept.scores:
        vector = np.frombuffer(kept.vector, dtype="<f4")
        assert bundle.score(vector[None, :])[0] == kept.probability
        assert (kept.model_version, kept.source, kept.role) == (bundle.version, "api", "champion")


def test_what_is_only_tried_is_kept_nowhere(world: World) -> None:
    with TestClient(world.app) as client:
        bodies = {"score": cart_json(), "score/batch": {"carts": [cart_json()] * 3}}
        for path, body in bodies.items():
            tried = client.post(f"/v1/{path}?keep=false", json=body, headers=world.headers())
            assert tried.status_code == 200
        score(world, client, product_id=5)
        shown = client.get("/v1/scores/recent", headers=world.headers()).json()["scores"]
    assert [recent["cart"]["product_id"] for recent in shown] == [5]
    assert [kept.product_id for kept in world.kept.scores] == [5]


def test_scores_of_late_are_shown_latest_first(world: World, client: TestClient) -> None:
    for product in range(5):
        score(world, client, product_id=product)
    shown = client.get("/v1/scores/recent?limit=3", headers=world.headers()).json()["scores"]
    assert [recent["cart"]["product_id"] for recent in shown] == [4, 3, 2]


def test_many_scores_of_late_are_read_in_parts_so_that_carts_get_their_turn(
    world: World, client: TestClient
) -> None:
    carts = {"carts": [cart_json(product_id=product) for product in range(2 * CHUNK + 5)]}
    client.post("/v1/score/batch", json=carts, headers=world.headers())
    reads = world.states.reads
    shown = client.get("/v1/scores/recent?limit=1000", headers=world.headers()).json()["scores"]
    assert world.states.reads == reads + 3
    products = [recent["cart"]["product_id"] for recent in shown]
    assert products == list(range(2 * CHUNK + 5))[::-1]


def test_other_economics_are_tried_on_the_carts_of_late(world: World, client: TestClient) -> None:
    for price in (20.0, 2000.0):
        score(world, client, price=price)
    probabilities = [scored.probability for _, scored in world.service.recent]
    economics = {"margin_share": 0.5, "nudge_cost": 2.0, "bought_anyway_share": 0.0}
    shown = client.post("/v1/policy/what-if", json=economics, headers=world.headers()).json()
    asked = what_if(np.array(probabilities), np.array([2000.0, 20.0]), Economics(**economics))
    assert shown["carts"] == 2
    assert shown["threshold"] == pytest.approx(2.0 / 12.5)
    assert shown["earnings"].items() <= asked.to_json().items()
    values = [p * 0.5 * price - 2.0 for p, price in zip(probabilities, (2000, 20), strict=True)]
    assert shown["earnings"]["best_value"] == pytest.approx(500 * sum(v for v in values if v > 0))
    assert shown["earnings"]["everyone_value"] == pytest.approx(500 * sum(values))


def test_before_the_first_cart_nothing_is_said_of_earnings(
    world: World, client: TestClient
) -> None:
    shown = client.post("/v1/policy/what-if", json={}, headers=world.headers()).json()
    assert (shown["carts"], shown["earnings"]) == (0, None)
    assert 0.0 < shown["threshold"] <= 1.0


def test_reasons_and_what_is_left_add_up_to_the_log_odds(world: World, client: TestClient) -> None:
    world.states.apply(history())
    reply = client.post("/v1/score?explain=5", json=cart_json(), headers=world.headers())
    answer = reply.json()
    told = sum(reason["contribution"] for reason in answer["reasons"])
    event = cart_event()
    keys = world.live.keys(event)
    vector = world.live.vector(event, [world.states.states.get(key) for key in keys])
    margin = world.service.pair().champion.bundle.margin(vector[None, :])[0]
    assert answer["base"] + told + answer["rest"] == pytest.approx(margin, abs=1e-4)


DAY = 86_400


@pytest.mark.parametrize(
    ("later", "outcome"),
    [
        ([], "open"),
        ([cart_event(kind=3, time=CART_TIME)], "bought"),
        ([cart_event(kind=3, time=CART_TIME + DAY)], "bought"),
        ([cart_event(kind=3, time=CART_TIME + 60, user_session="another")], "bought"),
        ([cart_event(kind=3, time=CART_TIME + 60, product_id=6)], "open"),
        ([cart_event(kind=3, time=CART_TIME + 60, user_id=8)], "open"),
        ([cart_event(kind=0, time=CART_TIME + DAY + 1)], "not bought"),
        ([cart_event(kind=3, time=CART_TIME + DAY + 1)], "unknown"),
        ([cart_event(kind=3, time=CART_TIME - 60)], "open"),
    ],
)
def test_scores_of_late_tell_what_became_of_their_carts(
    world: World, client: TestClient, later: list[LiveEvent], outcome: str
) -> None:
    score(world, client)
    world.states.apply([cart_event(), *later])
    recent = client.get("/v1/scores/recent", headers=world.headers()).json()["scores"]
    assert [one["outcome"] for one in recent] == [outcome]


def test_outcomes_are_unknown_while_the_store_is_away(world: World, client: TestClient) -> None:
    score(world, client)
    world.states.away = True
    recent = client.get("/v1/scores/recent", headers=world.headers()).json()["scores"]
    assert [one["outcome"] for one in recent] == ["unknown"]
