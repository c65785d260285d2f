"""From a simulated shop to a champion, through the gate, with a real registry."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import polars as pl
import pytest

from cartwise.checksums import SUMS
from cartwise.errors import FingerprintMismatch, RegistryError
from cartwise.model.boosting import Seeding
from cartwise.model.bundle import SPEC, Bundle, write_bundle
from cartwise.model.gate import GateLimits, level_of_try
from cartwise.model.mlflow_store import Tracking
from cartwise.model.registry import Registry, rollback
from cartwise.model.settlement import Case, Promotion, settle
from cartwise.model.training import train
from cartwise.progress import SILENT
from cartwise.promotion import Evidence, GateSettings, promote
from cartwise.scoring import score
from tests.commands import Commands
from tests.settlements import add_version, case, locks, tries
from tests.shops import GOOD, Shop

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and its libraries

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUICKLY = GateSettings(draws=300, twins=0, live_events=3000)
FAIRLY = replace(QUICKLY, twins=3)


@pytest.fixture(scope="module")
def shop(trained_shop: Shop) -> Shop:
    return trained_shop


@pytest.fixture(scope="module")
def registered(shop: Shop, mlflow_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry's folder where the good bundle is version 1 and the poor one version 2.

    To log a model takes a second, so tests take copies of it.
    """
    folder = shutil.copytree(mlflow_tables, tmp_path_factory.mktemp("registered") / "mlruns")
    registry = Registry(Tracking(folder=folder))
    assert registry.register(shop.good, shop.training).number == 1
    assert registry.register(shop.poor, shop.training).number == 2
    return registry.place.folder


@pytest.fixture
def registry(registered: Path, tmp_path: Path) -> Registry:
    return Registry(Tracking(folder=Path(shutil.copytree(registered, tmp_path / "mlruns"))))


@pytest.fixture
def hold(registry: Registry, shop: Shop) -> Callable[..., Promotion]:
    """Registers a bundle and holds it against the champion."""

    def hold(
        model: Path, evidence: Evidence = shop.evidence, settings: GateSettings = QUICKLY
    ) -> Promotion:
        version = registry.register(model, evidence.training)
        return promote(version, evidence, registry, settings, now=NOW)

    return hold


def failed(result: Promotion) -> set[str]:
    assert result.decision is not None
    return {check.name for check in result.decision.checks if not check.passed}


def test_a_better_challenger_becomes_champion_and_a_roll_back_undoes_it(
    registry: Registry, shop: Shop, hold: Callable[..., Promotion]
) -> None:
    poor = registry.register(shop.poor)
    registry.set_alias("champion", poor)
    result = hold(shop.good, settings=FAIRLY)
    assert result.promoted, result.decision
    assert result.before
    assert result.before.number == poor.number
    champion = registry.find("champion")
    assert champion.number == result.version.number
    assert champion.tags["gate"] == "passed"
    assert rollback(registry)[0].number == poor.number
    assert hold(shop.poor).decision is None


def test_an_equal_challenger_is_refused_and_the_reasons_stay_with_it(
    registry: Registry, shop: Shop, hold: Callable[..., Promotion], tmp_path: Path
) -> None:
    hold(shop.good)
    train(shop.training, tmp_path / "twin", replace(GOOD, seeding=Seeding(14)))
    result = hold(tmp_path / "twin", settings=FAIRLY)
    assert failed(result) == {"better"}
    assert registry.find("champion").number == 1
    tags = registry.find("challenger").tags
    assert tags["gate"] == "refused"
    assert "not shown to be lower" in tags["gate_reasons"]
    assert tags["gate_champion"] == "1"
    told = registry.attached(registry.find("challenger"), "gate/gate.json")
    assert json.loads(told)["passed"] is False


def test_a_leaking_challenger_is_refused_however_good_it_seems(
    shop: Shop, hold: Callable[..., Promotion], tmp_path: Path
) -> None:
    leaky = Path(shutil.copytree(shop.training, tmp_path / "leaky"))
    for file in leaky.rglob("*/*.parquet"):
        carts = pl.read_parquet(file)
        if "label" in carts.columns:
            told = pl.col("label").cast(pl.Float32).fill_null(0.0).alias("session_cart_1h")
            carts.with_columns(told).write_parquet(file)
    (leaky / SUMS).unlink()
    train(leaky, tmp_path / "model", GOOD)
    result = hold(tmp_path / "model", Evidence(leaky, shop.events))
    assert {"canary", "parity replay", "parity stream", "parity request"} <= failed(result)
    assert "better" not in failed(result)


def test_a_champion_of_another_specification_is_compared_by_its_scores(
    registry: Registry, shop: Shop, hold: Callable[..., Promotion], tmp_path: Path
) -> None:
    scores = tmp_path / "scores.parquet"
    score(shop.poor, shop.events, scores)
    files = Bundle.load(shop.poor).files
    other = json.dumps({**json.loads(files[SPEC]), "fingerprint": "0" * 16}).encode()
    write_bundle(tmp_path / "old", {**files, SPEC: other})
    registry.set_alias("champion", registry.register(tmp_path / "old"))
    with pytest.raises(FingerprintMismatch, match="--champion-scores"):
        hold(shop.good)
    assert hold(shop.good, replace(shop.evidence, champion_scores=scores)).promoted


def test_a_champion_that_changes_meanwhile_is_not_overwritten(
    registry: Registry, shop: Shop
) -> None:
    poor, good = registry.register(shop.poor), registry.register(shop.good)

    class Meddling:
        """Somebody else promotes while the gate still measures."""

        def task(self, name: str, total: int | None, unit: str):
            registry.set_alias("champion", poor)
            return SILENT.task(name, total, unit)

        def say(self, line: str) -> None:
            return None

    with pytest.raises(RegistryError, match="run it again"):
        promote(good, shop.evidence, registry, QUICKLY, now=NOW, progress=Meddling())
    assert registry.find("champion").number == poor.number


def at_once(registry: Registry, cases: list[Case]) -> list[Promotion | RegistryError]:
    """Settle all cases at the same time."""
    barrier = Barrier(len(cases))

    def attempt(one: Case) -> Promotion | RegistryError:
        barrier.wait()
        try:
            return settle(registry, one, NOW)
        except RegistryError as error:
            return error

    with ThreadPoolExecutor(len(cases)) as threads:
        return list(threads.map(attempt, cases))


def test_of_challengers_decided_at_once_each_is_another_try(registry: Registry) -> None:
    versions = [*registry.versions(), add_version(registry)]
    results = at_once(registry, [case(one, None, harmless=False) for one in versions])
    limits = {result.decision.checks[0].limit for result in results}
    assert limits == {level_of_try(GateLimits.level, number) for number in (1, 2, 3)}
    assert sum(result.decision.checks[0].passed for result in results) == 1
    assert tries(registry) == [1, 2, 3]
    assert not locks(registry)


def test_of_better_challengers_decided_at_once_one_is_promoted_and_the_others_are_told(
    registry: Registry,
) -> None:
    versions = [*registry.versions(), add_version(registry)]
    results = at_once(registry, [case(one, None) for one in versions])
    promoted = [result for result in results if isinstance(result, Promotion)]
    assert [one.promoted for one in promoted] == [True]
    told = [str(result) for result in results if isinstance(result, RegistryError)]
    assert len(told) == 2
    assert all("the champion changed" in one for one in told)
    assert registry.find("champion").number == promoted[0].version.number
    # The others have no decision: against the new champion they must be measured anew.
    assert ["gate" in one.tags for one in registry.versions()].count(True) == 1


def test_the_same_question_has_the_same_answer_and_another_seed_is_another_try(
    registry: Registry,
) -> None:
    first = case(registry.find("1"), None, harmless=False)
    settle(registry, first, NOW)
    settle(registry, case(registry.find("2"), None, harmless=False), NOW)
    again = settle(registry, first, NOW)
    assert again.decision.checks[0].limit == level_of_try(GateLimits.level, 1)
    settle(registry, replace(first, ask=replace(first.ask, seed=8)), NOW)
    assert tries(registry) == [1, 2, 3]


def let_an_hour_pass(registry: Registry) -> None:
    """For all locks that were left behind."""
    with closing(sqlite3.connect(registry.place.folder / "mlflow.db")) as database, database:
        database.execute(
            "update registered_models set creation_time = creation_time - 3600000 "
            "where name like 'cartwise-lock-%'"
        )


class MortalRegistry(Registry):
    """A registry whose server dies before a request: at the first one after ``life`` of them."""

    life = 0

    @contextmanager
    def _client(self) -> Iterator[Any]:
        if self.life == 0:
            raise RegistryError("the server is gone")
        self.life -= 1
        with super()._client() as client:
            yield client


def test_wherever_the_registry_dies_nothing_is_half_promoted_and_again_is_enough(
    registry: Registry, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = registry.find("2"), registry.find("1")
    registry.set_alias("champion", old)
    mortal, life = MortalRegistry(registry.place), 0
    while registry.find("champion").number == old.number:
        mortal.life = life
        try:
            again = mortal.register(shop.good)
            mortal.set_alias("challenger", again)
            settle(mortal, case(again, old), NOW)
        except RegistryError:
            assert registry.find("champion").number == old.number
        life += 1
        let_an_hour_pass(registry)
    assert life > 6
    champion = registry.find("champion")
    assert (champion.number, champion.tags["gate"]) == (new.number, "passed")
    assert tries(registry) == [1]
    assert rollback(registry)[0].number == old.number
    assert not locks(registry)
    assert "left behind" in caplog.text


class CutOff(Registry):
    """A registry whose connection is cut off once, at the next request."""

    cut = False

    @contextmanager
    def _client(self) -> Iterator[Any]:
        if self.cut:
            self.cut = False
            raise RegistryError("cut off")
        with super()._client() as client:
            yield client


def test_a_connection_that_is_cut_off_leaves_no_lock(registry: Registry) -> None:
    cut_off = CutOff(registry.place)
    with cut_off.alone():
        cut_off.cut = True
    assert not locks(registry)


def test_a_promotion_that_lasted_too_long_moves_nothing(registry: Registry) -> None:
    """By then, another process may have taken its lock for one that was left behind."""
    slow = Registry(registry.place, lock_dead_after=0.01)
    with pytest.raises(RegistryError, match="run it again"):
        settle(slow, case(registry.find("1"), None), NOW)
    assert registry.current("champion") is None
    assert settle(registry, case(registry.find("1"), None), NOW).promoted


def level(told: str) -> float:
    """The chance that the first check of a decision allows."""
    check = json.loads(told)["checks"][0]
    assert check["name"] == "better"
    return float(check["limit"])


def test_the_command_line_tells_pipelines_by_its_exit_code(
    cartwise: Commands, registered: Path, shop: Shop
) -> None:
    shutil.copytree(registered, "mlruns")
    where = ("--training", shop.training, "--events", shop.events, "--twins", 1, "--json")
    first = cartwise("promote", "--model", shop.good, *where)
    assert first.code == 0, first.err
    assert "twin 1 of 1" in first.err
    assert json.loads(first.out)["promoted"] is True
    assert cartwise("promote", "--version", "champion", *where).code == 0
    refused = cartwise("promote", "--model", shop.poor, *where)
    assert refused.code == 3
    assert json.loads(refused.out)["promoted"] is False
    # The second challenger on the same carts has to show more.
    assert level(first.out) == pytest.approx(4 * level(refused.out))
    assert cartwise("promote", *where).code == 1
    listed = json.loads(cartwise("models", "--json").out)["versions"]
    assert [(one["version"], one["gate"]) for one in listed] == [(2, "refused"), (1, "passed")]
    assert "refused" in cartwise("models").out
    differing = json.loads(
        cartwise("models", "diff", "1", "2", "--training", shop.training, "--json", "-q").out
    )
    assert differing["parameters"]["small_sample.depth"] == [3, 1]
    assert {"metrics", "features", "slices"} <= differing.keys()
    assert cartwise("rollback").code == 1
