import json
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cartwise.errors import InputError
from cartwise.features.catalogue import SPECIFICATION
from cartwise.model.examples import TrainingSet, labels
from cartwise.model.manifest import LEARNED_FROM, Manifest
from tests.model.worlds import (
    change_manifest,
    read_manifest,
    read_part,
    write_part,
    write_world,
)


def test_a_part_comes_in_order_whatever_the_batch_size(tmp_path: Path) -> None:
    data = TrainingSet.open(write_world(tmp_path, carts=300).training)
    small, large = (pl.concat(data.batches("train", rows=rows)) for rows in (7, 10_000))
    assert small.equals(large)
    assert small.equals(read_part(data.path, "train"))
    assert small["cart_time"].is_sorted()


def test_parts_that_are_kept_are_read_once(tmp_path: Path) -> None:
    data = TrainingSet.open(write_world(tmp_path, carts=300).training)
    kept = data.kept("train", "test")
    frames = {rows: list(data.batches("train", rows=rows)) for rows in (7, 10_000)}
    users = data.columns("test", ["user_id", "label"])
    shutil.rmtree(data.path)
    for rows, read in frames.items():
        again = list(kept.batches("train", rows=rows))
        assert all(map(pl.DataFrame.equals, again, read))
        assert len(again) == len(read)
    assert kept.columns("test", ["user_id", "label"]).equals(users)
    assert {tuple(frame.columns) for frame in kept.batches("train", ["label"])} == {("label",)}
    with pytest.raises(InputError):
        list(kept.batches("validation"))


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


@pytest.mark.parametrize(
    "content", [b"not json", b"[]", b"{}", b'{"parts": 3}', b"\xff" * 9999, b"[" * 99_999]
)
def test_a_manifest_that_is_none_is_named_in_one_short_sentence(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(InputError, match=r"manifest\.json is damaged.*cartwise features") as caught:
        TrainingSet.open(tmp_path)
    assert len(str(caught.value)) < len(str(tmp_path)) + 200


@pytest.mark.parametrize("key", [field.name for field in fields(Manifest)])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    training = write_world(tmp_path, carts=50).training
    facts = read_manifest(training)
    del facts[key]
    (training / "manifest.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match=key):
        TrainingSet.open(training)


DAY = "2026-01-01T"
PART = {"carts": 9, "positives": 3, "first_cart": f"{DAY}00Z", "last_cart": f"{DAY}09Z"}
OURS = {"fingerprint": SPECIFICATION.fingerprint}


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"feature_names": "abc"}, "feature_names"),
        ({"feature_names": []}, "feature_names"),
        ({"horizon_seconds": "24h"}, "horizon_seconds"),
        ({"horizon_seconds": -1}, "horizon_seconds"),
        ({"small": "no"}, "small"),
        ({"counts": []}, "counts"),
        ({"counts": {}}, "counts lack 'carts'"),
        ({"counts": {"carts": 9, "censored_end": 0}}, "counts lack 'censored_outage'"),
        ({"daily": [1]}, "daily"),
        ({"first_event": "yesterday"}, "yesterday"),
        ({"parts": {"train": PART | {"carts": "many"}}}, "carts"),
        ({"parts": {"train": PART | {"positives": 10}}}, "10 of 9 carts"),
        ({"parts": {"train": PART | {"last_cart": "soon"}}}, "soon"),
        ({"parts": {"train": PART | {"first_cart": "2026-01-01"}}}, "no time zone"),
        ({"parts": {"train": PART}}, "no part 'validation'"),
        ({"parts": {"exam": PART}}, "parts"),
        (OURS, "feature 1 is 'user_view_0d'"),
        (OURS | {"feature_names": SPECIFICATION.vector[::-1]}, "feature 1 is"),
        (OURS | {"feature_names": SPECIFICATION.vector[:9]}, "9 features"),
    ],
)
def test_a_wrong_fact_is_named(tmp_path: Path, facts: dict[str, object], told: str) -> None:
    training = write_world(tmp_path, carts=50).training
    change_manifest(training, **facts)
    with pytest.raises(InputError, match=rf"manifest\.json is damaged.*{told}.*build it again"):
        TrainingSet.open(training)


@pytest.mark.parametrize("name", ["label", "user_id", "user_view_0d"])
@pytest.mark.parametrize("becomes", [None, "text"])
def test_a_column_that_is_gone_or_of_another_kind_is_named(
    tmp_path: Path, name: str, becomes: str | None
) -> None:
    data = TrainingSet.open(write_world(tmp_path, carts=50).training)
    frame = read_part(data.path, "test")
    other = [pl.lit(becomes).alias(name)] if becomes else []
    write_part(data.path, "test", frame.drop(name).with_columns(other))
    for read in (data.columns, lambda *asked: list(data.batches(*asked))):
        with pytest.raises(InputError, match=rf"part-00000\.parquet.*column.* {name}.*build it"):
            read("test", [name])


@pytest.mark.parametrize("label", [None, 7])
def test_a_label_that_is_none_is_refused(tmp_path: Path, label: int | None) -> None:
    data = TrainingSet.open(write_world(tmp_path, carts=50).training)
    frame = read_part(data.path, "test")
    write_part(data.path, "test", frame.with_columns(label=pl.lit(label, pl.UInt8)))
    for read in (data.columns, lambda *asked: list(data.batches(*asked))):
        with pytest.raises(InputError, match="a label that is neither 0 nor 1"):
            read("test", ["label"])


def test_keys_that_a_later_version_adds_are_ignored(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=50).training
    change_manifest(training, later="more")
    assert TrainingSet.open(training).manifest.carts("test") == 10


def test_a_part_without_files_is_named(tmp_path: Path) -> None:
    data = TrainingSet.open(write_world(tmp_path, carts=50, small=True).training)
    assert data.manifest.carts("validation") == 0
    with pytest.raises(InputError, match="holds 0 carts, and its manifest says 0"):
        list(data.batches("validation"))


def test_a_sample_is_of_carts_all_over(tmp_path: Path) -> None:
    data = TrainingSet.open(write_world(tmp_path, carts=600).training)
    known = pl.concat(read_part(data.path, part) for part in LEARNED_FROM)
    vectors, _ = data.sample(LEARNED_FROM, 100)
    assert len(vectors) == 100
    whole = [vector.tobytes() for vector in data.vectors(known)]
    places = [whole.index(vector.tobytes()) for vector in vectors]
    assert np.diff(places).max() <= -(-known.height // 100)
    assert places[-1] >= known.height - known.height // 100


def test_a_sample_of_chosen_carts_is_of_no_others(tmp_path: Path) -> None:
    data = TrainingSet.open(write_world(tmp_path, carts=600).training)
    known = pl.concat(read_part(data.path, part) for part in LEARNED_FROM)
    chosen = known["user_id"].to_numpy() % 3 == 0
    vectors, bought = data.sample(LEARNED_FROM, 10_000, chosen)
    ours = known.filter(pl.Series(chosen))
    assert vectors.tobytes() == data.vectors(ours).tobytes()
    assert bought.tolist() == ours["label"].to_list()
    fewer, _ = data.sample(LEARNED_FROM, 20, chosen)
    assert len(fewer) == 20
    assert {vector.tobytes() for vector in fewer} <= {vector.tobytes() for vector in vectors}
