"""What docs/feast.md shows is run: Feast's command line, its SDK, its server and its page."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cartwise.data.ingest import ingest
from cartwise.data.simulate import simulate

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/feast.md").read_text()
FEAST = Path(sys.executable).with_name("feast")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def shown(language: str) -> list[str]:
    return re.findall(rf"<!-- tested -->\n```{language}\n(.*?)```", TEXT, re.DOTALL)


def command(name: str) -> list[str]:
    """The documented command line of a server, at the port that the document gives it."""
    (line,) = re.findall(rf"^feast -c feature_repo {name} .*$", TEXT, re.MULTILINE)
    return shlex.split(line)[1:]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake and an applied, materialized repository, as the document has them."""
    folder = tmp_path_factory.mktemp("documented")
    simulate(folder / "raw", sessions=100, days=3, seed=1)
    ingest(sorted((folder / "raw").glob("events-*")), folder / "out" / "events")
    ignored = shutil.ignore_patterns("data", "__pycache__")
    shutil.copytree(ROOT / "feature_repo", folder / "feature_repo", ignore=ignored)
    for line in shown("sh")[0].splitlines():
        run([str(FEAST), *shlex.split(line)[1:]], folder)
    return folder


def run(arguments: list[str], folder: Path) -> str:
    done = subprocess.run(
        arguments, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_apply_and_materialize_leave_registry_and_states(place: Path) -> None:
    assert (place / "feature_repo/data/registry.db").stat().st_size > 10_000
    assert (place / "feature_repo/data/states.db").stat().st_size > 10_000


@pytest.mark.parametrize("code", shown("python"))
def test_the_code_that_is_shown_runs(place: Path, code: str) -> None:
    run([sys.executable, "-W", "ignore", "-c", code], place)


def test_the_feature_server_answers_what_is_shown(place: Path) -> None:
    (curl,) = re.findall(r"<!-- feature server -->\n```sh\ncurl (.*?)\n```", TEXT, re.DOTALL)
    words = shlex.split(curl)
    url, body = next(w for w in words if w.startswith("http")), words[words.index("-d") + 1]
    with serving(place, "serve") as port:
        address = re.sub(r":\d+/", f":{port}/", url)
        answer = httpx.post(address, json=json.loads(body), timeout=30).json()
    assert answer["metadata"]["feature_names"] == ["user_id", "user_purchase_28d"]
    assert answer["results"][1]["values"] == [0.0, 0.0]


def test_the_page_shows_the_views(place: Path) -> None:
    pytest.importorskip("grpc", reason="'feast ui' needs grpcio, of the extra 'feast'")
    with serving(place, "ui") as port:
        page = httpx.get(f"http://127.0.0.1:{port}/", timeout=30).text
        views = f"http://127.0.0.1:{port}/api/v1/feature_views?project=cartwise"
        told = httpx.get(views, timeout=30).json()
    assert "<html" in page
    assert {view["spec"]["name"] for view in told["featureViews"]} >= {"user", "session_product"}


@contextmanager
def serving(folder: Path, name: str) -> Iterator[int]:
    arguments, port = command(name), free_port()
    arguments[arguments.index("--port") + 1] = str(port)
    log = folder / f"{name}.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [str(FEAST), *arguments], cwd=folder, env=ENVIRONMENT, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            wait_for(f"http://127.0.0.1:{port}/health", server, log)
            yield port
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text()
        try:
            httpx.get(address, timeout=5)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(log.read_text())


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
