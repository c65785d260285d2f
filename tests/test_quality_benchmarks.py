"""The benchmarks of quality: what features earn, and the published tutorial's protocol."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks import other_machines, tutorial
from benchmarks.sweep import Variant, remaining, sweep, table, variants
from cartwise.data.simulate import simulate
from cartwise.features.catalogue import FAMILIES, SPECIFICATION
from cartwise.features.spec import Rate, Sum
from cartwise.model.examples import TrainingSet
from tests.model.worlds import write_world


def test_what_is_derived_from_what_is_left_out_goes_too() -> None:
    specification = replace(
        SPECIFICATION,
        derived=(
            Rate("first", "user_cart_7d", "user_view_7d", 0.5, 1),
            Sum("second", (("first", 1.0), ("hour", 1.0))),
            Sum("third", (("hour", 1.0),)),
        ),
        unused=frozenset(),
    )
    left = remaining(specification, frozenset({"user_cart_7d"}))
    assert {"user_cart_7d", "first", "second"}.isdisjoint(left)
    assert {"third", "user_view_7d"} < set(left)


def test_every_entity_half_life_and_family_is_left_out_once() -> None:
    tried = variants(SPECIFICATION)
    count = len(SPECIFICATION.entities) + len(SPECIFICATION.half_lives) + len(FAMILIES)
    assert len(tried) == count
    for variant in tried:
        assert variant.without
        assert variant.without <= set(SPECIFICATION.values)
    (week,) = [variant for variant in tried if variant.name == "half-life 7d"]
    assert "user_view_7d" in week.without
    assert "user_view_28d" not in week.without


def test_the_families_make_up_the_specification() -> None:
    derived = [one for family in FAMILIES.values() for one in family]
    assert tuple(derived) == SPECIFICATION.derived


def test_a_feature_that_decides_is_dear_and_one_that_is_noise_is_cheap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = TrainingSet.open(write_world(tmp_path, carts=3000).training)
    names = data.manifest.feature_names
    tried = [Variant("signal", frozenset(names[:3])), Variant("noise", frozenset(names[3:9]))]
    flat = replace(SPECIFICATION, entities=(), derived=())
    monkeypatch.setattr(type(flat), "vector", names)
    monkeypatch.setattr("benchmarks.sweep.SPECIFICATION", flat)
    everything, signal, noise = sweep(data, tried)
    assert [line.variant for line in (everything, signal, noise)] == [
        "all features",
        "signal",
        "noise",
    ]
    assert everything.loss_of_auc.value == 0.0
    assert signal.loss_of_auc.low > 0.1
    assert abs(noise.loss_of_auc.value) < 0.05
    assert table([everything, signal, noise]).count("\n") == 4


def test_the_tutorial_runs_over_months_and_prints_the_published_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulate(tmp_path / "log", sessions=16_000, days=50, seed=3, start=date(2019, 10, 20))
    sources = [str(file) for file in sorted((tmp_path / "log").glob("*.csv"))]
    assert tutorial.main([*sources, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "| published: gradient boosting on 32 features (tutorial at RecSys 2020) | 0.646" in (
        printed
    )
    training = TrainingSet.open(tmp_path / "out" / "training")
    assert training.manifest.label_scope == "session"
    months = training.columns("test", ["cart_time"])["cart_time"].dt.month().unique()
    assert months.equals(pl.Series("cart_time", [12], dtype=pl.Int8))
    assert f"{training.manifest.carts('test'):,} carts of the last month" in printed


def test_the_tutorial_says_what_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulate(tmp_path / "log", sessions=2_000, days=5, seed=3)
    sources = [str(file) for file in sorted((tmp_path / "log").glob("*.csv"))]
    assert tutorial.main([*sources, "--out", str(tmp_path / "out")]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "a split by month takes three" in told


def test_a_machine_of_other_bits_is_told_apart_from_one_that_was_not_asked() -> None:
    here = {"margins": "a1", "vectors": "b2"}
    found = {
        "this one": here,
        "other": {"margins": "a1", "vectors": "b3"},
        "old": {"margins": "a1"},
    }
    shown = other_machines.table(found, 10)
    assert [list(column.cells) for column in shown.columns] == [
        ["this one", "other", "old"],
        ["same", "same", "same"],
        ["same", "DIFFERENT", "not asked"],
    ]
