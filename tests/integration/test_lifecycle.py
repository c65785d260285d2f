"""From a bundle to the champion that serves, over HTTP, on MLflow with PostgreSQL and S3."""

import json
import multiprocessing
import signal
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cartwise.errors import CartwiseError, RegistryError
from cartwise.model.bundle import Bundle
from cartwise.model.lineage import training_digest
from cartwise.model.mlflow_store import Tracking
from cartwise.model.registry import Registry, Version, rollback
from cartwise.progress import Silent
from cartwise.promotion import GateSettings, promote
from deploy.services.fleet import Fleet
from deploy.services.postgres import Postgres
from deploy.services.server import Server
from tests.commands import Commands
from tests.serving.worlds import NOW, write_model
from tests.settlements import add_version, case, die_alone, locks, settle_at
from tests.shops import Shop

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # of MLflow and its libraries
]

QUICKLY = GateSettings(draws=300, twins=0, live_events=3000)


@pytest.fixture
def own_registry(own_tracking: Fleet, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry of the servers to kill, with its account in the environment."""
    variables = own_tracking["mlflow"].addresses() | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Registry(Tracking(variables["MLFLOW_TRACKING_URI"]))


@pytest.fixture(scope="module")
def shop(trained_shop: Shop) -> Shop:
    return trained_shop


def test_a_model_is_promoted_fetched_and_rolled_back_over_http_with_an_account_only(
    cartwise: Commands, own_registry: Registry, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    crown(own_registry, shop.poor)
    where = ("--training", shop.training, "--events", shop.events, "--twins", 0, "--json", "-q")
    told = cartwise("promote", "--model", shop.good, *where)
    assert told.code == 0, told.err
    fetched = own_registry.fetch(own_registry.find("models:/cartwise@champion"), Path("got"))
    assert Bundle.load(fetched).files == Bundle.load(shop.good).files
    champion = own_registry.find("champion")
    assert champion.tags["training_set"] == training_digest(shop.training)
    assert json.loads(own_registry.attached(champion, "gate/gate.json"))["passed"] is True
    assert cartwise("rollback").code == 0
    assert own_registry.find("champion").model_version == Bundle.load(shop.poor).version
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    refused = cartwise("rollback")
    assert (refused.code, "not authenticated" in refused.err) == (1, True)


@pytest.mark.parametrize("victim", ["postgres", "s3", "mlflow"])
def test_a_server_killed_midway_leaves_no_half_promoted_model_and_again_is_enough(
    own_tracking: Fleet, own_registry: Registry, shop: Shop, tmp_path: Path, victim: str
) -> None:
    server, place = own_tracking[victim], own_registry.place
    champion = crown(own_registry, shop.poor)
    noise = write_model(tmp_path / "noise", seed=zlib.crc32(victim.encode()))

    # While it is logged: its run has begun.
    with ThreadPoolExecutor() as threads:
        killing = threads.submit(kill_once_logging, own_tracking, server, noise)
        with pytest.raises(CartwiseError, match=f"{place.uri}.*run it again"):
            own_registry.register(noise)
        killing.result()
    server.start()
    assert own_registry.find("champion").number == champion.number
    assert versions_of(own_registry, noise) == []

    # While it is registered: it is logged, and not a version yet; no artifact is asked for.
    with nullcontext() if victim == "s3" else pytest.raises(RegistryError, match="run it again"):
        Struck(place, server, life=1).register(noise)
    server.start()
    assert len(versions_of(own_registry, noise)) == (1 if victim == "s3" else 0)
    version = own_registry.register(noise)
    assert [one.number for one in versions_of(own_registry, noise)] == [version.number]
    assert own_registry.find("champion").number == champion.number

    # While it is promoted: the gate is measuring.
    challenger = own_registry.register(shop.good, shop.training)
    with pytest.raises(RegistryError, match="run it again"):
        promote(challenger, shop.evidence, own_registry, QUICKLY, now=NOW, progress=Killer(server))
    server.start()
    assert own_registry.find("champion").number == champion.number
    assert promote(challenger, shop.evidence, own_registry, QUICKLY, now=NOW).promoted
    assert own_registry.find("champion").number == challenger.number
    assert rollback(own_registry)[0].number == champion.number


def test_two_processes_decide_one_after_the_other_although_a_third_was_killed_while_it_did(
    own_tracking: Fleet, own_registry: Registry, shop: Shop
) -> None:
    champion = crown(own_registry, shop.poor)
    versions = [add_version(own_registry) for _ in range(2)]
    here, there = (case(one, champion) for one in versions)
    fresh = multiprocessing.get_context("spawn")
    queue, start = fresh.Queue(), fresh.Barrier(2)
    dying = fresh.Process(target=die_alone, args=(own_registry.place,))
    other = fresh.Process(target=settle_at, args=(start, own_registry.place, there, queue))
    dying.start()
    other.start()
    dying.join()
    assert (dying.exitcode, len(locks(own_registry))) == (-signal.SIGKILL, 1)
    let_an_hour_pass(own_tracking)
    settle_at(start, own_registry.place, here, queue)
    told = sorted(queue.get(timeout=60) for _ in versions)
    other.join()
    # The one that came second is told; the dead one's lock holds up nobody.
    assert told[0].startswith("promoted"), told
    assert "the champion changed" in told[1]
    promoted = own_registry.find("champion")
    assert told[0] == f"promoted {promoted.number}"
    assert sum("gate" in own_registry.find(str(one.number)).tags for one in versions) == 1
    assert not locks(own_registry)


def let_an_hour_pass(fleet: Fleet) -> None:
    """For all locks that were left behind."""
    postgres = fleet["postgres"]
    assert isinstance(postgres, Postgres)
    with psycopg.connect(postgres.url_of("mlflow"), autocommit=True) as session:
        session.execute(
            "update registered_models set creation_time = creation_time - 3600000 "
            "where name like 'cartwise-lock-%'"
        )


def crown(registry: Registry, model: Path) -> Version:
    """Make a model champion without asking the gate."""
    registry.set_alias("champion", registry.register(model))
    return registry.find("champion")


def versions_of(registry: Registry, model: Path) -> list[Version]:
    name = Bundle.load(model).version
    return [one for one in registry.versions() if one.model_version == name]


def kill_once_logging(fleet: Fleet, server: Server, model: Path) -> None:
    """Kill a server as soon as the tracking database knows of the model's run."""
    postgres, name, end = fleet["postgres"], Bundle.load(model).version, time.monotonic() + 60
    assert isinstance(postgres, Postgres)
    with psycopg.connect(postgres.url_of("mlflow"), autocommit=True) as session:
        while not session.execute("select 1 from runs where name = %s", [name]).fetchone():
            assert time.monotonic() < end, "no run has begun"
            time.sleep(0.01)
    server.kill()


class Struck(Registry):
    """A registry, a server of which is killed before a request: at the first after ``life``."""

    def __init__(self, place: Tracking, server: Server, life: int) -> None:
        super().__init__(place)
        self._server = server
        self._life = life

    @contextmanager
    def _client(self) -> Iterator[Any]:
        if self._life == 0:
            self._server.kill()
        self._life -= 1
        with super()._client() as client:
            yield client


class Killer(Silent):
    """Listens to the gate, and kills a server when it compares."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def say(self, line: str) -> None:
        if line.startswith("comparing"):
            self._server.kill()
