import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cartwise.errors import InputError, RegistryError
from cartwise.model.boosting import Seeding
from cartwise.model.bundle import GRAPH, Bundle
from cartwise.model.lineage import training_digest
from cartwise.model.mlflow_store import Tracking
from cartwise.model.registry import (
    REPLACED,
    Registry,
    rollback,
)
from cartwise.model.tracking import track
from cartwise.model.training import train
from tests.model.conftest import QUICK, Outcome

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and its libraries


@pytest.fixture(scope="module")
def registry(mlflow_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry with two versions, which the tests of this module share."""
    folder = shutil.copytree(mlflow_tables, tmp_path_factory.mktemp("registry") / "mlruns")
    return Registry(Tracking(folder=folder))


@pytest.fixture(scope="module")
def rival(outcome: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the same recipe with another seed."""
    folder = tmp_path_factory.mktemp("rival") / "model"
    train(outcome.world.training, folder, replace(QUICK, seeding=Seeding(11, threads=1)))
    return folder


def test_a_bundle_is_one_version_however_often_it_is_registered(
    registry: Registry, outcome: Outcome, rival: Path
) -> None:
    first = registry.register(outcome.model, outcome.world.training)
    second = registry.register(rival, outcome.world.training)
    assert (first.number, second.number) == (1, 2)
    assert registry.register(outcome.model) == first
    assert [one.number for one in registry.versions()] == [2, 1]


def test_a_version_leads_to_its_data_and_code(registry: Registry, outcome: Outcome) -> None:
    tags = registry.register(outcome.model).tags
    assert tags["model_version"] == Bundle.load(outcome.model).version
    assert tags["training_set"] == training_digest(outcome.world.training)
    assert tags["data_version"] == "beef" * 4
    assert {"code_version", "feature_fingerprint", "learned_until"} <= tags.keys()


def test_a_run_that_was_tracked_already_is_not_tracked_again(
    outcome: Outcome, mlruns: Path
) -> None:
    place = Tracking(folder=mlruns)
    run = track(outcome.model, place, outcome.evaluation)
    assert Registry(place).register(outcome.model).run_id == run.run_id


def test_an_alias_names_one_version_and_its_bundle(
    registry: Registry, outcome: Outcome, rival: Path, tmp_path: Path
) -> None:
    first, second = registry.register(outcome.model), registry.register(rival)
    registry.set_alias("champion", first)
    registry.set_alias("champion", second)
    assert registry.find("champion").number == second.number
    assert registry.find("models:/cartwise@champion").number == second.number
    assert registry.find("models:/cartwise/1").number == first.number
    assert registry.current("challenger") is None
    fetched = registry.fetch(registry.find("models:/cartwise@champion"), tmp_path)
    assert Bundle.load(fetched).files == Bundle.load(rival).files


def test_a_bundle_that_is_there_is_not_fetched_again_but_a_damaged_one_is(
    registry: Registry, outcome: Outcome, tmp_path: Path
) -> None:
    version = registry.register(outcome.model)
    fetched = registry.fetch(version, tmp_path)
    before = (fetched / GRAPH).stat().st_mtime_ns
    assert registry.fetch(version, tmp_path) == fetched
    assert (fetched / GRAPH).stat().st_mtime_ns == before
    (fetched / GRAPH).write_bytes(b"something else")
    assert Bundle.load(registry.fetch(version, tmp_path)).version == version.model_version


def test_a_roll_back_returns_to_the_champion_before(
    registry: Registry, outcome: Outcome, rival: Path
) -> None:
    first, second = registry.register(outcome.model), registry.register(rival)
    registry.set_alias("champion", first)
    with pytest.raises(RegistryError, match="roll-back"):
        rollback(registry)
    registry.tag(second, {REPLACED: str(first.number)})
    registry.set_alias("champion", second)
    after, before = rollback(registry)
    assert (after.number, before.number) == (first.number, second.number)
    assert registry.find("champion").number == first.number


def test_what_the_registry_does_not_have_is_named(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="no version '77'"):
        registry.find("77")
    with pytest.raises(InputError, match="names no model"):
        registry.find("models:/another@champion")


def test_a_registry_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match=r"http://127\.0\.0\.1:9.*run it again"):
        Registry(Tracking("http://127.0.0.1:9")).versions()
