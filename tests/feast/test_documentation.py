"""What docs/feast.md shows is run: Feast's command line, its SDK, its server and its page."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from feast.cli.cli import cli

from cartwise.data.ingest import ingest
from cartwise.data.simulate import simulate
from cartwise.features.catalogue import SPECIFICATION
from cartwise.store import open_store
from deploy.services.kept import free_port

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/feast.md").read_text()
FEAST = Path(sys.executable).with_name("feast")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Server:
    """One of Feast's servers, which may still be starting."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path

    def wait(self) -> None:
        with httpx.Client(timeout=5) as client:
            for _ in range(1500):
                assert self.process.poll() is None, self.log.read_text()
                try:
                    client.get(f"{self.address}/health")
                except httpx.TransportError:
                    time.sleep(0.1)
                else:
                    return
        raise AssertionError(self.log.read_text())


@dataclass(frozen=True)
class Place:
    """A folder with a lake and an applied, materialized repository, as the document has them."""

    folder: Path
    servers: dict[str, Server]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The servers start while the other tests run."""
    folder = tmp_path_factory.mktemp("documented")
    simulate(folder / "raw", sessions=100, days=3, seed=1)
    ingest(sorted((folder / "raw").glob("events-*")), folder / "out" / "events")
    ignored = shutil.ignore_patterns("data", "__pycache__")
    shutil.copytree(ROOT / "feature_repo", folder / "feature_repo", ignore=ignored)
    for line in shown("sh")[0].splitlines():
        run_feast(shlex.split(line)[1:], folder)
    with serving(folder, "serve") as serve, serving(folder, "ui") as ui:
        yield Place(folder, {"serve": serve, "ui": ui})


def shown(language: str) -> list[str]:
    return re.findall(rf"<!-- tested -->\n```{language}\n(.*?)```", TEXT, re.DOTALL)


def run_feast(arguments: list[str], folder: Path) -> None:
    """Run Feast's command line here, where everything is imported; leave nothing behind of it."""
    with as_a_process_in(folder):
        done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, (done.output, done.exception)


@contextmanager
def as_a_process_in(folder: Path) -> Iterator[None]:
    """Folder, path and modules as a new Python has them there; its warnings are not ours."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        patch.delitem(sys.modules, "definitions", raising=False)
        yield
        sys.modules.pop("definitions", None)


def test_apply_and_materialize_leave_registry_and_states(place: Place) -> None:
    assert (place.folder / "feature_repo/data/registry.db").stat().st_size > 10_000
    states = place.folder / "feature_repo/data/states.db"
    with closing(open_store(f"sqlite:///{states}", SPECIFICATION)) as store:
        assert sum(map(len, store.scan())) > 100


@pytest.mark.parametrize("code", shown("python"))
def test_the_code_that_is_shown_runs(place: Place, code: str) -> None:
    with as_a_process_in(place.folder):
        exec(compile(code, "docs/feast.md", "exec"), {"__name__": "__main__"})  # noqa: S102


def test_the_feature_server_answers_what_is_shown(place: Place) -> None:
    (curl,) = re.findall(r"<!-- feature server -->\n```sh\ncurl (.*?)\n```", TEXT, re.DOTALL)
    words = shlex.split(curl)
    url, body = next(w for w in words if w.startswith("http")), words[words.index("-d") + 1]
    server = place.servers["serve"]
    server.wait()
    address = re.sub(r"^http://[^/]+", server.address, url)
    answer = httpx.post(address, json=json.loads(body), timeout=30).json()
    assert answer["metadata"]["feature_names"] == ["user_id", "user_purchase_28d"]
    assert answer["results"][1]["values"] == [0.0, 0.0]


def test_the_page_shows_the_views(place: Place) -> None:
    server = place.servers["ui"]
    server.wait()
    page = httpx.get(f"{server.address}/", timeout=30).text
    views = f"{server.address}/api/v1/feature_views?project=cartwise"
    told = httpx.get(views, timeout=30).json()
    assert "<html" in page
    assert {view["spec"]["name"] for view in told["featureViews"]} >= {"user", "session_product"}


@contextmanager
def serving(folder: Path, name: str) -> Iterator[Server]:
    """The documented command line of a server, on a free port instead of the one shown."""
    (line,) = re.findall(rf"^feast -c feature_repo {name} .*$", TEXT, re.MULTILINE)
    arguments, port = shlex.split(line)[1:], free_port()
    arguments[arguments.index("--port") + 1] = str(port)
    log = folder / f"{name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(FEAST), *arguments], cwd=folder, env=ENVIRONMENT, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield Server(process, f"http://127.0.0.1:{port}", log)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
