import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import Live
from cartwise.model.bundle import Bundle, write_bundle
from deploy.services.kept import free_port
from tests.serving.processes import Server, serving, until
from tests.serving.worlds import cart_event, cart_json

PRICES = (5.0, 50.0, 500.0)


def expected(model: Path) -> dict[tuple[str, float], float]:
    """Probability of every cart without history by version and price."""
    live, bundle = Live(SPECIFICATION), Bundle.load(model)
    found = {}
    for price in PRICES:
        event = cart_event(price=price)
        vector = live.vector(event, [None] * len(live.keys(event)))
        found[bundle.version, price] = float(bundle.score(vector[None, :])[0])
    return found


def test_the_report_beside_the_bundle_is_shown(model: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "model", Bundle.load(model).files)
    (tmp_path / "report.html").write_text(f"of {Bundle.load(model).version}")
    with serving(tmp_path, "--model", "model") as server, server.client() as client:
        assert client.get("/v1/model/report").text == f"of {Bundle.load(model).version}"


def test_without_keys_a_server_tells_where_its_documentation_is(folder: Path) -> None:
    with serving(folder, "--model", "model", "--no-auth") as server:
        said = map(json.loads, (folder / "serve.log").read_text().splitlines())
        docs = next(line["docs"] for line in said if line["event"] == "serving")
        assert docs == f"{server.address}/docs"
        for address in (docs, f"{server.address}/v1/status"):
            assert httpx.get(address).status_code == 200, "it takes no key"


class Load:
    """Clients that ask without a pause, and all that they got."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self.answers: list[tuple[int, Any, float]] = []
        self._server = server
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with self._server.client() as client:
            while not self._ending.is_set():
                for price in PRICES:
                    response = client.post("/v1/score", json=cart_json(price=price))
                    self.answers.append((response.status_code, response.json(), price))

    def versions(self) -> set[str]:
        return {answer["model_version"] for status, answer, _ in self.answers if status == 200}


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    write_bundle(tmp_path / "model", Bundle.load(model).files)
    return tmp_path


def test_a_swap_and_a_rollback_under_load_fail_no_request_and_mix_no_answer(
    folder: Path, model: Path, other_model: Path
) -> None:
    known = expected(model) | expected(other_model)
    with serving(folder, "--model", "model", "--refresh", 0.2) as server, Load(server) as load:
        for next_one in (other_model, model, other_model):
            write_bundle(folder / "model", Bundle.load(next_one).files)
            version = Bundle.load(next_one).version
            seen = len(load.answers)
            assert until(lambda v=version, n=seen: any(
                answer[1]["model_version"] == v for answer in load.answers[n:]
            ))  # fmt: skip
    assert {status for status, _, _ in load.answers} == {200}
    assert load.versions() == {version for version, _ in known}
    for _, answer, price in load.answers:
        assert answer["probability"] == known[answer["model_version"], price]


def test_sigterm_under_load_finishes_what_was_begun(folder: Path) -> None:
    body = json.dumps({"carts": [cart_json(user_id=user) for user in range(500)]}).encode()
    with serving(folder, "--model", "model", "--scores", "scores") as server:
        host, port = server.address.removeprefix("http://").split(":")
        head = (
            f"POST /v1/score/batch HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Authorization: {server.headers['Authorization']}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        sockets = [socket.create_connection((host, int(port)), timeout=60) for _ in range(6)]
        for one in sockets:
            one.sendall(head.encode() + body)
        # The first has its turn now; the last ones still wait for theirs.
        assert until(lambda: any(_has_answer(one) for one in sockets))
        server.process.send_signal(signal.SIGTERM)
        answers = [_whole(one) for one in sockets]
        assert server.process.wait(60) == 0
    assert [answer[:15] for answer in answers] == [b"HTTP/1.1 200 OK"] * 6
    assert all(len(json.loads(a.partition(b"\r\n\r\n")[2])["answers"]) == 500 for a in answers)
    (log,) = (folder / "scores").iterdir()
    assert len(log.read_bytes().splitlines()) == 3000


def _has_answer(one: socket.socket) -> bool:
    one.settimeout(0)
    try:
        return bool(one.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        one.settimeout(60)


def _whole(one: socket.socket) -> bytes:
    answer = b""
    with one:
        while piece := one.recv(1_000_000):
            answer += piece
    return answer


def test_kafka_away_refuses_events_and_scores_on(folder: Path) -> None:
    away = f"127.0.0.1:{free_port()}"
    with serving(folder, "--model", "model", "--kafka-bootstrap", away) as server:
        event = {"events": [cart_json(event_type="view")]}
        begun = time.monotonic()
        refused = server.post("/v1/events", event)
        assert time.monotonic() - begun < 20
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "Kafka" in refused.json()["detail"]
        assert server.post("/v1/score", cart_json()).status_code == 200
        assert until(lambda: server.status()["status"] == "degraded")


def fetch_earlier(folder: Path) -> str:
    """Let the model be one that an earlier server fetched from the registry; its version."""
    cache = folder / "cache"
    version = Bundle.load(folder / "model").version
    cache.mkdir()
    (folder / "model").rename(cache / f"7-{version}")
    (cache / "cartwise@champion.txt").write_text(f"7-{version}")
    return version


def test_the_registry_away_serves_what_was_fetched_last(folder: Path) -> None:
    version = fetch_earlier(folder)
    away = f"http://127.0.0.1:{free_port()}"
    variables = {"MLFLOW_TRACKING_URI": away, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    with serving(folder, "--cache", "cache", **variables) as server:
        answer = server.post("/v1/score", cart_json())
        assert answer.json()["model_version"] == version
        status_now = server.status()
    assert status_now["status"] == "degraded"
    assert "registry" in str(status_now["parts"])


def test_a_registry_that_hangs_does_not_keep_the_server_from_starting(folder: Path) -> None:
    version = fetch_earlier(folder)
    with socket.create_server(("127.0.0.1", 0), backlog=20) as registry:
        away = f"http://127.0.0.1:{registry.getsockname()[1]}"
        options = ("--cache", "cache", "--refresh", 3600)
        with serving(folder, *options, MLFLOW_TRACKING_URI=away) as server:
            asked = len(list(waiting(registry)))
            answer = server.post("/v1/score", cart_json())
    assert answer.json()["model_version"] == version
    # Once for each of the two models, and no second time for one that got no answer.
    assert asked == 2


def waiting(listening: socket.socket) -> Iterator[None]:
    """Everybody who has connected, none of whom gets an answer."""
    listening.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        while True:
            listening.accept()[0].close()
            yield


def test_a_registry_that_hangs_does_not_keep_the_server_from_ending(folder: Path) -> None:
    fetch_earlier(folder)
    port = free_port()
    variables = {
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "3600",
    }
    options = ("--cache", "cache", "--refresh", 0.2)
    # The registry is away at the start, and then takes a question and never answers.
    with (
        serving(folder, *options, **variables) as server,
        socket.create_server(("127.0.0.1", port)) as registry,
    ):
        registry.settimeout(60)
        with registry.accept()[0]:
            assert server.post("/v1/score", cart_json()).status_code == 200
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(60) == 0


def test_no_route_of_a_running_server_answers_without_a_key(folder: Path) -> None:
    metrics = free_port()
    with serving(folder, "--model", "model", "--metrics-port", metrics) as server:
        document = httpx.get(f"{server.address}/openapi.json").json()
        for path in document["paths"]:
            status = httpx.post(server.address + path, json={}).status_code
            assert status == (405 if path in {"/healthz", "/readyz"} else 401), path
        assert httpx.get(f"{server.address}/metrics").status_code == 401
        shown = httpx.get(f"http://127.0.0.1:{metrics}/metrics").text
        assert 'cartwise_requests_total{path="other",status="401"} 1.0' in shown
        with server.client() as client:
            client.post("/v1/score", json=cart_json())
    secret = server.headers["Authorization"].split("_", 2)[2]
    assert secret not in (folder / "serve.log").read_text()


def test_embedded_events_count_as_soon_as_they_are_answered(folder: Path) -> None:
    event = cart_json(event_type="cart")
    cart = {name: value for name, value in event.items() if name != "event_type"}
    with serving(folder, "--model", "model", "--embedded") as server:
        before = server.post("/v1/score", cart).json()
        broken = {**event, "event_time": "2300-01-01T00:00:00Z"}
        ahead = {**event, "event_time": "2261-01-01T00:00:00Z"}
        sent = server.post("/v1/events", {"events": [event, broken, event, ahead]})
        after = server.post("/v1/score", cart).json()
    assert sent.status_code == 202
    refused = [
        {"index": 1, "rules": ["event_time_in_range"]},
        {"index": 3, "rules": ["event_time_not_ahead"]},
    ]
    assert sent.json() == {"accepted": 2, "refused": refused}
    assert (before["features"]["seen"], after["features"]["seen"]) == (False, True)
    # The second one was an exact duplicate: it changed nothing.
    assert after["probability"] == before["probability"]
