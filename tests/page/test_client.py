import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from cartwise.errors import ApiError
from cartwise.page.client import Client
from cartwise.page.health import health
from cartwise.page.live import live
from cartwise.page.model import model_facts, report_frame
from cartwise.serving.guard import Limits
from cartwise.serving.rates import Rate
from tests.page.conftest import Shown, Site, own_process
from tests.serving.running import running
from tests.serving.worlds import cart_json, make_world, write_model


@pytest.fixture(scope="module")
def nobody() -> Iterator[Client]:
    """A client of an API that is away."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with closing(Client(f"http://127.0.0.1:{port}", "cw_key")) as client:
        yield client


@pytest.fixture(scope="module")
def lonely(nobody: Client) -> Iterator[Shown]:
    """A page whose API is away, and that has no key."""
    with own_process(nobody.url, "") as shown:
        yield shown


def test_an_api_that_is_away_is_one_sentence_with_what_to_do(nobody: Client) -> None:
    with pytest.raises(ApiError, match="does not answer: start it with 'cartwise serve'"):
        nobody.status()


@pytest.mark.parametrize("tab", [live, health, model_facts, report_frame])
def test_a_tab_without_its_api_says_so_and_escapes_it(nobody: Client, tab: object) -> None:
    shown = tab(nobody)  # type: ignore[operator]
    assert 'role="alert"' in shown
    assert "&#x27;cartwise serve&#x27;" in shown


def test_a_page_that_starts_before_its_api_holds_no_complaint(lonely: Shown) -> None:
    components = httpx.get(f"{lonely.url}/config").json()["components"]
    begun = {one["props"].get("elem_id"): one["props"].get("value") for one in components}
    assert {begun[name] for name in ("live", "versions", "what-if", "health")} == {None}


def test_a_large_batch_waits_where_the_keys_rate_makes_it(tmp_path: Path) -> None:
    limits = Limits(rate=Rate(per_second=400, burst=1))
    world = make_world(write_model(tmp_path / "model"), limits=limits)
    with running(world.app) as api, closing(Client(api, world.keys["all"])) as client:
        answers = client.try_all([cart_json(user_id=user) for user in range(1100)])
        assert len(answers) == 1100


def test_a_wait_that_is_too_long_is_told(tmp_path: Path) -> None:
    limits = Limits(rate=Rate(per_second=0.01, burst=1))
    world = make_world(write_model(tmp_path / "model"), limits=limits)
    with (
        running(world.app) as api,
        closing(Client(api, world.keys["all"])) as client,
        pytest.raises(ApiError, match="this key asks too often"),
    ):
        client.try_all([cart_json()] * 501)


def test_a_refusal_is_told_with_its_place(site: Site) -> None:
    with pytest.raises(ApiError, match=r"^Price \(0: unknown\): Input should be a valid number$"):
        site.client.score(cart_json(price="much"), 1)
    with pytest.raises(ApiError, match=r"^Time of the cart \(UTC\): this is no time: write"):
        site.client.score(cart_json(event_time="today"), 1)
    with pytest.raises(ApiError, match=r"^Brand: "):
        site.client.try_all([cart_json(brand="x" * 1001)])
    with pytest.raises(ApiError, match=r"^Cost of a nudge: "):
        site.client.what_if({"nudge_cost": -1.0})
    with (
        closing(Client(site.client.url, "cw_wrong")) as wrong,
        pytest.raises(ApiError, match="key"),
    ):
        wrong.models()


def test_a_page_whose_api_is_away_says_what_to_start(nobody: Client, lonely: Shown) -> None:
    assert lonely.said.startswith(f"the API at {nobody.url} does not answer: start it with")


@pytest.mark.parametrize("key", ["", "cw_wrong"])
def test_a_page_whose_key_is_refused_says_so_before_where_it_is(site: Site, key: str) -> None:
    with own_process(site.api, key) as shown:
        said = shown.said
    given = "whose key is in" if key else "which has no key in"
    assert f"the API at {site.api} refuses the page, {given} CARTWISE_KEY" in said
    assert "with 'cartwise keys create page --scope score --scope read'" in said


def test_a_report_executes_nothing(site: Site) -> None:
    frame = report_frame(site.client)
    assert 'sandbox=""' in frame
    assert "<script>" not in frame


def test_a_page_for_others_wants_a_password() -> None:
    # In a process of its own: Gradio leaves an event loop open in ours.
    program = [sys.executable, "-m", "cartwise", "ui", "--host", "0.0.0.0"]  # noqa: S104 - refused
    env = {name: value for name, value in os.environ.items() if not name.startswith("CARTWISE_")}
    told = subprocess.run(program, env=env, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "set CARTWISE_PAGE_PASSWORD, or listen on 127.0.0.1" in told.stderr
