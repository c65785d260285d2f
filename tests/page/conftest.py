"""A page in front of a real API, and a real browser to look at it with."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, sync_playwright

from cartwise.model.bundle import Bundle
from cartwise.page.client import Client
from tests.serving.running import running
from tests.serving.worlds import (
    CART_TIME,
    World,
    cart_event,
    cart_json,
    history,
    make_world,
    write_model,
)

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
]
REPORT = (
    "<html><body><h1>How good it is</h1><script>document.title = 'ran'</script>{version}"
    "</body></html>"
)


@dataclass(frozen=True)
class Site:
    url: str
    api: str
    world: World
    client: Client


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A page and its API, with carts of late of which one was bought. Not to be changed."""
    folder = tmp_path_factory.mktemp("site")
    model = write_model(folder / "model")
    (folder / "report.html").write_text(REPORT.format(version=Bundle.load(model).version))
    world = make_world(model, report=folder / "report.html")
    world.states.apply(history())
    with running(world.app) as api, ExitStack() as opened:
        client = opened.enter_context(closing(Client(api, world.keys["all"])))
        for product in range(33, 2, -1):
            client.score(cart_json(product_id=product, price=10.0 * product), 1)
        world.states.apply([cart_event(kind=3, time=CART_TIME + 60, product_id=4)])
        with own_process(api, world.keys["all"]) as shown:
            yield Site(shown.url, api, world, client)


class Shown(NamedTuple):
    """Where a page is, and all that its command said until it was there."""

    url: str
    said: str


@contextmanager
def own_process(api: str, key: str, **variables: str) -> Iterator[Shown]:
    """The page, as its command serves it."""
    program = [sys.executable, "-m", "cartwise", "ui", "--api", api, "--port", "0"]
    env = os.environ | {"CARTWISE_KEY": key} | variables
    with subprocess.Popen(program, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while "the page is at" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        try:
            yield Shown(re.findall(r"http://[\d.:]+", line)[0], said)
        finally:
            process.terminate()
            assert process.wait(30) == 143


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; while it is there, an event loop runs in this thread and no other one can."""
    if (program := shutil.which("chromium")) is None:
        pytest.skip("no chromium is installed: on Debian, apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """A file with two good carts, and rows that are none."""
    path = tmp_path / "carts.csv"
    path.write_text(
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2026-01-01 11:00:00 UTC,cart,3,5,,acme,12.5,7,s\n"
        "2026-01-01 11:00:00 UTC,cart,4,5,,acme,-1,7,s\n"
        "2026-01-01 11:00:00 UTC,view,4,5,,acme,3,7,s\n"
        "yesterday,cart,x,5,,acme,3,7,s\n"
        "2026-01-01T11:00:00Z,cart,9223372036854775807,,,,0,7,\n"
    )
    return path
