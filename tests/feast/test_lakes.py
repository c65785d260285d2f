"""Copies of a bucket's days are fetched once, and again where they are no copies any more."""

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from cartwise.data.ingest import ingest
from cartwise.data.lake import day_path
from cartwise.errors import OutputError
from cartwise.feast.addresses import endpoint_of
from cartwise.feast.errors import LogUnusable
from cartwise.feast.lakes import KeptDays, Version
from tests.damage import flip_bit
from tests.data.raw_files import event, write_rows
from tests.feast.worlds import SERVICE, feature_store, repo_config

PLACE = "s3://bucket/lake/event_date=2019-10-01/events.parquet"


class Fetched:
    """An object of a bucket, and how often it was fetched."""

    def __init__(self, content: bytes) -> None:
        self.content, self.times = content, 0

    def __call__(self) -> bytes:
        self.times += 1
        return self.content


def test_a_version_is_fetched_once_and_the_next_takes_its_place(tmp_path: Path) -> None:
    kept, one, next_one = KeptDays(tmp_path / "kept"), Fetched(b"one"), Fetched(b"two")
    for _ in range(2):
        assert kept.get(PLACE, Version("a", 3), one) == b"one"
    assert one.times == 1
    for _ in range(2):
        assert kept.get(PLACE, Version("b", 3), next_one) == b"two"
    assert next_one.times == 1
    assert [file.read_bytes() for file in (tmp_path / "kept").iterdir()] == [b"two"]


def test_another_day_is_another_copy(tmp_path: Path) -> None:
    kept = KeptDays(tmp_path)
    kept.get(PLACE, Version("a", 3), Fetched(b"one"))
    assert kept.get(PLACE.replace("-01/", "-02/"), Version("a", 3), Fetched(b"two")) == b"two"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_copy_that_was_cut_short_is_fetched_again(tmp_path: Path) -> None:
    kept, one = KeptDays(tmp_path), Fetched(b"one")
    kept.get(PLACE, Version("a", 3), one)
    [copy] = tmp_path.iterdir()
    copy.write_bytes(b"on")
    assert kept.get(PLACE, Version("a", 3), one) == b"one"
    assert copy.read_bytes() == b"one"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    with pytest.raises(OutputError, match="kept"):
        KeptDays(tmp_path / "kept").get(PLACE, Version("a", 3), Fetched(b"one"))


@pytest.mark.parametrize(
    ("written", "endpoint"),
    [
        ("http://127.0.0.1:8333", "http://127.0.0.1:8333"),
        ("${CARTWISE_S3_ENDPOINT}", None),
        (None, None),
    ],
)
def test_an_endpoint_whose_variable_is_not_set_is_amazons(
    written: str | None, endpoint: str | None, tmp_path: Path
) -> None:
    config = repo_config(tmp_path, Path("lake"))
    config.offline_store.s3_endpoint = written
    assert endpoint_of(config) == endpoint


def test_a_day_that_is_not_as_it_was_written_is_not_read(tmp_path: Path) -> None:
    ingest([write_rows(tmp_path / "log.csv", [event()])], tmp_path / "lake")
    store = feature_store(tmp_path, tmp_path / "lake")
    rows = pd.DataFrame([{**event(), "event_timestamp": datetime(2019, 10, 2, tzinfo=UTC)}])
    keys = rows.astype(dict.fromkeys(("user_id", "product_id", "category_id"), "int64"))

    def fetch() -> pd.DataFrame:
        features = store.get_feature_service(SERVICE)
        return store.get_historical_features(entity_df=keys, features=features).to_df()

    assert len(fetch()) == 1
    flip_bit(day_path(tmp_path / "lake", date(2019, 10, 1)), 100)
    with pytest.raises(LogUnusable, match="is not as it was written"):
        fetch()
