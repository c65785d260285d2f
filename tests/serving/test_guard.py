import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from cartwise.serving.app import create_app
from cartwise.serving.guard import Limits
from cartwise.serving.keys import Keyring, Scope
from cartwise.serving.rates import Rate
from tests.serving.worlds import NOW, World, cart_json, make_world

OPEN = {"/healthz", "/readyz", "/openapi.json", "/docs"}
JSON = {"Content-Type": "application/json"}
BODIES: dict[str, Any] = {
    "/v1/score": cart_json(),
    "/v1/score/batch": {"carts": [cart_json()]},
    "/v1/events": {"events": [cart_json(event_type="view")]},
    "/v1/policy/what-if": {},
}


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with TestClient(world.app) as client:
        yield client


def operations(client: TestClient) -> list[tuple[str, str, list[str]]]:
    """Method, path and needed scopes of everything that the API's own document lists."""
    paths = client.get("/openapi.json").json()["paths"]
    return [
        (method, path, operation.get("security", [{"key": []}])[0]["key"])
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]


def registered(app: Any) -> set[str]:
    """Every path that the application itself knows, documented or not."""
    return {route.path for route in _routes(app.router)}


def _routes(router: Any) -> Iterator[Any]:
    for route in router.routes:
        below = getattr(route, "original_router", None)
        yield from _routes(below) if below else [route]


def ask(client: TestClient, method: str, path: str, headers: dict[str, str]) -> Any:
    return client.request(method, path, headers=headers, json=BODIES.get(path))


def test_every_route_is_documented_or_open(world: World, client: TestClient) -> None:
    documented = {path for _, path, _ in operations(client)}
    assert registered(world.app) - documented <= OPEN
    assert len(documented) > 10


def test_no_route_answers_without_a_key_but_the_open_ones(world: World, client: TestClient) -> None:
    for path in registered(world.app):
        for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
            response = ask(client, method, path, {})
            assert (response.status_code == 401) == (path not in OPEN), (method, path)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer cw_",
        "Bearer cw_0123456789ab_wrong",
        "Bearer ü",
        "Basic dXNlcjpwYXNz",
    ],
)
def test_no_route_answers_a_wrong_key(client: TestClient, header: str) -> None:
    for method, path, scopes in operations(client):
        response = ask(client, method, path, {"Authorization": header.encode("latin-1")})
        if scopes:
            assert response.status_code == 401, (method, path)
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert response.json()["type"] == "urn:cartwise:problem:unauthorized"


def test_another_keys_secret_opens_nothing(world: World, client: TestClient) -> None:
    one, other = world.keys["all"], world.keys["read"]
    mixed = "_".join([*one.split("_")[:2], other.split("_", 2)[2]])
    response = ask(client, "POST", "/v1/score", {"Authorization": f"Bearer {mixed}"})
    assert response.status_code == 401


def test_every_route_needs_just_its_scope(world: World, client: TestClient) -> None:
    for method, path, scopes in operations(client):
        for scope in Scope:
            response = ask(client, method, path, world.headers(scope))
            allowed = not scopes or scope in scopes
            assert (response.status_code == 403) == (not allowed), (method, path, scope)


def test_an_unknown_path_needs_a_key_too(world: World, client: TestClient) -> None:
    assert client.get("/v1/secrets").status_code == 401
    assert client.get("/v1/secrets", headers=world.headers()).status_code == 404


@pytest.mark.parametrize("suffix", ["%0A", "/", "%2F", "%00", "?", ";", "//", "%0D%0A"])
def test_no_spelling_of_a_path_gets_around_its_scope(
    world: World, client: TestClient, suffix: str
) -> None:
    for method, path, scopes in operations(client):
        for scope in set(Scope) - set(scopes) if scopes else ():
            response = ask(client, method, path + suffix, world.headers(scope))
            assert response.status_code in (403, 404), (method, path, suffix, scope)


def test_without_keys_a_server_answers_to_the_names_of_its_own_machine_only(world: World) -> None:
    app = create_app(world.service, keyring=lambda: None)
    statuses = {}
    with TestClient(app) as client:
        for host in ("127.0.0.1:8000", "localhost", "[::1]:8000", "shop.example", "127.0.0.1.evil"):
            statuses[host] = client.get("/v1/model", headers={"Host": host}).status_code
    assert list(statuses.values()) == [200, 200, 200, 421, 421]


def test_a_revoked_key_opens_nothing() -> None:
    ring, text = Keyring().with_new("page", [Scope.READ], NOW)
    (key,) = ring
    assert ring.find(text) == key
    assert ring.without(key.id, NOW).find(text) is None


def test_a_body_too_large_is_refused(world: World, client: TestClient) -> None:
    response = client.post("/v1/score", content=b" " * 1_000_001, headers=world.headers() | JSON)
    assert response.status_code == 413
    assert response.json()["title"] == "Content Too Large"


def test_a_body_of_unknown_length_is_refused_once_it_is_too_large(
    world: World, client: TestClient
) -> None:
    pieces = (b" " * 100_000 for _ in range(11))
    response = client.post("/v1/score", content=pieces, headers=world.headers() | JSON)
    assert response.status_code == 413


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[" * 100_000, 400),
        (b'{"a":' * 100_000, 400),
        (b'"\xff"', 400),
        ('{"brand": "\ud83d"}'.encode("utf-16", "surrogatepass"), 400),
        (b"1" * 10_000, 400),
        (b"null", 422),
    ],
)
def test_a_body_that_is_no_json_is_a_problem(
    world: World, client: TestClient, body: bytes, status: int
) -> None:
    response = client.post("/v1/score", content=body, headers=world.headers() | JSON)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status


@pytest.mark.parametrize(
    "changes",
    [
        {"product_id": 2**63},
        {"product_id": -(2**63) - 1},
        {"user_id": 10**400},
        {"user_id": True},
        {"user_id": "7"},
        {"user_id": 7.5},
        {"user_id": 1e300},
        {"price": 1e16},
        {"price": -0.01},
        {"price": "1"},
        {"event_time": "yesterday"},
        {"event_time": "2026-02-30T00:00:00Z"},
        {"event_time": "9999-12-31T23:59:59-14:00"},
        {"event_time": "0001-01-01T00:00:00+14:00"},
        {"event_time": 1_700_000_000},
        {"brand": "x" * 1001},
        {"brand": {"name": "acme"}},
    ],
)
def test_a_field_beyond_its_bounds_is_named(
    world: World, client: TestClient, changes: dict[str, Any]
) -> None:
    response = client.post("/v1/score", json=cart_json(**changes), headers=world.headers())
    assert response.status_code == 422
    (mistake,) = response.json()["errors"]
    assert mistake["pointer"] == f"#/{next(iter(changes))}"


def test_of_many_mistakes_the_first_hundred_are_named(world: World, client: TestClient) -> None:
    response = client.post("/v1/score/batch", json={"carts": [{}] * 500}, headers=world.headers())
    assert response.status_code == 422
    assert len(response.json()["errors"]) == 100


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_price_that_is_no_finite_number_is_refused(
    world: World, client: TestClient, price: str
) -> None:
    body = '{"event_time":"2026-01-01T11:00:00Z","product_id":5,"user_id":7,"price":' + price + "}"
    response = client.post("/v1/score", content=body, headers=world.headers() | JSON)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "#/price"


def test_half_a_surrogate_pair_is_refused(world: World, client: TestClient) -> None:
    body = json.dumps(cart_json(brand="\ud83d"))
    response = client.post("/v1/score", content=body, headers=world.headers() | JSON)
    assert response.status_code == 422


def test_the_largest_ids_are_scored(world: World, client: TestClient) -> None:
    cart = cart_json(product_id=2**63 - 1, user_id=-(2**63), category_id=2**63 - 1)
    response = client.post("/v1/score", json=cart, headers=world.headers())
    assert response.status_code == 200
    assert world.service.recent[0][1].event.product_id == 2**63 - 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/score/batch", {"carts": [cart_json()] * 501}),
        ("/v1/score/batch", {"carts": []}),
        ("/v1/events", {"events": [cart_json(event_type="view")] * 1001}),
    ],
)
def test_a_batch_of_too_many_or_none_is_refused(
    world: World, client: TestClient, path: str, body: dict[str, Any]
) -> None:
    assert client.post(path, json=body, headers=world.headers()).status_code == 422


def test_a_key_that_asks_too_often_is_told_when_to_come_again(model: Path) -> None:
    world = make_world(model, limits=Limits(rate=Rate(per_second=0.01, burst=3)))
    with TestClient(world.app) as client:
        headers = world.headers()
        statuses = [client.get("/v1/model", headers=headers).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        refused = client.get("/v1/model", headers=headers)
        assert 90 <= int(refused.headers["Retry-After"]) <= 100
        assert client.get("/v1/model", headers=world.headers(Scope.READ)).status_code == 200


def test_a_batch_costs_as_much_as_its_carts(model: Path) -> None:
    world = make_world(model, limits=Limits(rate=Rate(per_second=0.1, burst=10)))
    carts, headers = {"carts": [cart_json()] * 30}, world.headers()
    with TestClient(world.app) as client:
        assert client.post("/v1/score/batch", json=carts, headers=headers).status_code == 200
        refused = client.post("/v1/score", json=cart_json(), headers=headers)
        assert refused.status_code == 429
        # 20 carts were had on credit, and the next one is to be paid for, too.
        assert 200 <= int(refused.headers["Retry-After"]) <= 210
        others = world.headers(Scope.READ)
        assert client.get("/v1/model", headers=others).status_code == 200


def test_of_batches_that_come_together_one_goes_on_credit(model: Path) -> None:
    world = make_world(model, limits=Limits(rate=Rate(per_second=0.1, burst=10)))
    body = json.dumps({"carts": [cart_json()] * 30}).encode()

    async def ask_twice() -> list[int]:
        together = asyncio.Barrier(2)

        async def slow_body() -> AsyncIterator[bytes]:
            # Both are admitted before either can be charged.
            await together.wait()
            yield body

        transport = httpx.ASGITransport(world.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            asked = (
                client.post("/v1/score/batch", content=slow_body(), headers=world.headers() | JSON)
                for _ in range(2)
            )
            return sorted(one.status_code for one in await asyncio.gather(*asked))

    assert asyncio.run(ask_twice()) == [200, 429]


def test_a_batch_without_a_model_costs_a_request(model: Path) -> None:
    world = make_world(model, limits=Limits(rate=Rate(per_second=0.01, burst=2)))
    world.service.models.pair = None
    carts = {"carts": [cart_json()] * 30}
    client = TestClient(world.app)
    for _ in range(2):
        sent = client.post("/v1/score/batch", json=carts, headers=world.headers())
        assert sent.status_code == 503


def test_a_batch_that_is_refused_costs_a_request(model: Path) -> None:
    world = make_world(model, limits=Limits(rate=Rate(per_second=0.01, burst=2)))
    with TestClient(world.app) as client:
        broken = {"carts": [{}] * 500}
        for _ in range(2):
            sent = client.post("/v1/score/batch", json=broken, headers=world.headers())
            assert sent.status_code == 422


def test_without_keys_a_batch_costs_nothing(world: World) -> None:
    app = create_app(world.service, keyring=lambda: None)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.post("/v1/score/batch", json={"carts": [cart_json()]}).status_code == 200


def test_more_requests_than_can_be_in_work_are_refused(model: Path) -> None:
    world = make_world(model, limits=Limits(requests=0))
    with TestClient(world.app) as client:
        response = client.get("/v1/model", headers=world.headers())
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert client.get("/healthz").status_code == 200


def test_a_wrong_method_is_a_problem_that_names_the_right_one(
    world: World, client: TestClient
) -> None:
    response = client.delete("/v1/score", headers=world.headers())
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert response.headers["content-type"] == "application/problem+json"


def test_a_defect_is_a_problem_that_tells_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.service.scorer, "score", lambda *_: 1 / 0)
    with TestClient(world.app, raise_server_exceptions=False) as client:
        response = client.post("/v1/score", json=cart_json(), headers=world.headers())
    assert response.status_code == 500
    assert "division" not in response.text
