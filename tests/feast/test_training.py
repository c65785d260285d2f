"""A model trained on vectors from the feature service is the one of the direct path."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from cartwise.checksums import SUMS
from cartwise.data.ingest import ingest
from cartwise.data.labels import LabelSettings
from cartwise.data.lake import day_path, read_day, stored_days
from cartwise.data.simulate import simulate
from cartwise.data.training_set import TrainingSetSettings, build
from cartwise.feast import training as through_feast
from cartwise.feast.repository import open_repository
from cartwise.feast.views import entities, feature_service, feature_views
from cartwise.features.catalogue import SPECIFICATION
from cartwise.parts import PARTS
from tests.commands import Commands
from tests.damage import flip_bit

REPOSITORY = Path(__file__).parents[2] / "feature_repo"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake, its training set, and a feature repository that was applied."""
    folder = tmp_path_factory.mktemp("shop")
    simulate(folder / "raw", sessions=6000, days=6, seed=3)
    ingest(sorted((folder / "raw").glob("events-*")), folder / "out" / "events")
    settings = TrainingSetSettings(LabelSettings(4 * 3600))
    build(folder / "out" / "events", folder / "training", settings)
    shutil.copytree(REPOSITORY, folder / "feature_repo", ignore=shutil.ignore_patterns("data"))
    apply(folder / "feature_repo")
    return folder


def apply(repository: Path) -> None:
    views = [*feature_views(SPECIFICATION), feature_service(SPECIFICATION)]
    open_repository(repository).apply([*entities(SPECIFICATION), *views])


def test_fetched_training_sets_are_those_of_the_direct_path_to_the_byte(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(through_feast, "CARTS_AT_A_TIME", 150)
    training = shop / "training"
    files = [f.relative_to(training) for part in PARTS for f in (training / part).glob("*")]
    assert len(files) >= 6
    with through_feast.fetched(training, shop / "feature_repo") as fetched:
        for file in [*files, Path("manifest.json")]:
            assert (fetched / file).read_bytes() == (training / file).read_bytes()


def test_train_through_feast_gives_the_same_model(shop: Path, cartwise: Commands) -> None:
    training = ["train", "--training", shop / "training", "--quiet"]
    assert cartwise(*training, "--out", "direct").code == 0
    told = cartwise(
        *training, "--out", "feast", "--features", "feast", "--feature-repo", shop / "feature_repo"
    )
    assert told.code == 0, told.err
    for file in ("model.ubj", "model.onnx", "calibration.json"):
        assert Path("direct", file).read_bytes() == Path("feast", file).read_bytes()


def test_carts_that_are_not_as_they_were_written_are_not_fetched(
    shop: Path, cartwise: Commands, tmp_path: Path
) -> None:
    training = Path(shutil.copytree(shop / "training", tmp_path / "training"))
    flip_bit(next((training / "train").iterdir()), 1000)
    told = cartwise("train", "--training", training, "--out", "model",
                    "--features", "feast", "--feature-repo", shop / "feature_repo")  # fmt: skip
    assert told.code == 1
    assert "is not as it was written" in told.err


@pytest.mark.parametrize("summed", [True, False])
@pytest.mark.parametrize("damage", ["cut", "footer"])
def test_damaged_carts_are_told(
    shop: Path, cartwise: Commands, tmp_path: Path, damage: str, *, summed: bool
) -> None:
    training = Path(shutil.copytree(shop / "training", tmp_path / "training"))
    file = next((training / "train").iterdir())
    content = file.read_bytes()
    file.write_bytes(content[:5000] if damage == "cut" else content[:-1000] + b"x" * 1000)
    if not summed:
        (training / SUMS).unlink()
    told = cartwise("train", "--training", training, "--out", "model",
                    "--features", "feast", "--feature-repo", shop / "feature_repo")  # fmt: skip
    assert told.code == 1
    assert f"{file} is {'not as it was written' if summed else 'damaged'}" in told.err
    assert "delete the training set and build it again" in told.err


def test_a_training_set_of_other_events_is_refused(
    shop: Path, cartwise: Commands, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(shop / "feature_repo", other / "feature_repo")
    shutil.copytree(shop / "out", other / "out")
    lake = other / "out" / "events"
    day = stored_days(lake)[0]
    read_day(lake, day).slice(1).write_parquet(day_path(lake, day))
    day_path(lake, day).with_name(SUMS).unlink()
    repository = other / "feature_repo"
    told = cartwise("train", "--training", shop / "training", "--out", "model",
                    "--features", "feast", "--feature-repo", repository)  # fmt: skip
    assert told.code == 1
    assert "other events" in told.err


def test_a_registry_that_is_away_is_told(shop: Path, cartwise: Commands, tmp_path: Path) -> None:
    yaml = (REPOSITORY / "feature_store.yaml").read_text().replace("../out", str(shop / "out"))
    file = tmp_path / "feature_store.yaml"
    train = ("train", "--training", shop / "training", "--out", "model", "--features", "feast",
             "--feature-repo", tmp_path)  # fmt: skip
    assert "does not exist" in cartwise(*train).err
    file.write_text(yaml)
    told = cartwise(*train)
    assert told.code == 1
    assert "feast apply" in told.err
    away = "{registry_type: sql, path: 'postgresql+psycopg://u:p@127.0.0.1:1/none'}"
    file.write_text(yaml.replace("data/registry.db", away))
    told = cartwise(*train)
    assert told.code == 1
    assert "registry" in told.err
    assert "cannot be reached" in told.err


def test_large_ids_beside_missing_ones_are_not_rounded(shop: Path) -> None:
    carts = pl.read_parquet(shop / "training" / "train" / "*.parquet")
    large = pl.Series("category_id", [2**61 + 1, None])
    rows = through_feast._entity_rows(carts.head(2).with_columns(large))
    assert rows["category_id"].tolist()[0] == 2**61 + 1
