import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cartwise.errors import InputError
from cartwise.model.examples import TrainingSet, labels
from tests.model.worlds import change_manifest, read_manifest, read_part, write_world


def test_a_part_comes_in_order_whatever_the_batch_size(tmp_path: Path) -> None:
    data = TrainingSet.open(write_world(tmp_path, carts=300).training)
    small, large = (pl.concat(data.batches("train", rows=rows)) for rows in (7, 10_000))
    assert small.equals(large)
    assert small.equals(read_part(data.path, "train"))
    assert small["cart_time"].is_sorted()


def test_vectors_follow_the_order_of_the_manifest(tmp_path: Path) -> None:
    world = write_world(tmp_path, carts=100)
    names = read_manifest(world.training)["feature_names"]
    change_manifest(world.training, feature_names=names[::-1])
    data = TrainingSet.open(world.training)
    frame = read_part(world.training, "test")
    vectors = data.vectors(frame)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    np.testing.assert_array_equal(vectors[:, 0], frame[names[-1]].to_numpy())


def test_null_and_nan_are_both_missing(tmp_path: Path) -> None:
    data = TrainingSet.open(write_world(tmp_path, carts=100).training)
    frame = read_part(data.path, "test")[:2].with_columns(
        pl.lit(None, pl.Float32).alias("session_depth"),
        pl.lit(np.nan, pl.Float32).alias("user_view_0d"),
    )
    vectors = data.vectors(frame)
    assert np.isnan(vectors[:, 0]).all()
    assert np.isnan(vectors[:, -1]).all()
    assert set(labels(frame)) <= {0.0, 1.0}


def test_a_folder_without_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a training set.*cartwise features"):
        TrainingSet.open(tmp_path)


@pytest.mark.parametrize("content", ["not json", "[]", "{}", '{"parts": 3}'])
def test_a_manifest_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json' is not the manifest"):
        TrainingSet.open(tmp_path)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=50).training
    facts = read_manifest(training)
    del facts["horizon_seconds"]
    (training / "manifest.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="horizon_seconds"):
        TrainingSet.open(training)


def test_keys_that_a_later_version_adds_are_ignored(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=50).training
    change_manifest(training, later="more")
    assert TrainingSet.open(training).manifest.carts("test") == 10


def test_a_part_without_files_is_named(tmp_path: Path) -> None:
    data = TrainingSet.open(write_world(tmp_path, carts=50, small=True).training)
    assert data.manifest.carts("validation") == 0
    with pytest.raises(InputError, match="holds 0 carts, and its manifest says 0"):
        list(data.batches("validation"))
