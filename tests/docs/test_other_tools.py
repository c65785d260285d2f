"""Polars, pandas and DuckDB read a lake and a training set as the README says."""

import re
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from cartwise.data.ingest import ingest
from cartwise.data.labels import LabelSettings
from cartwise.data.simulate import simulate
from cartwise.data.training_set import TrainingSetSettings, build

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the ``out`` of the README, as far as others read it."""
    return tmp_path_factory.mktemp("folder")


@pytest.fixture(scope="module")
def rows(folder: Path) -> dict[str, int]:
    """How many rows lie in the lake, and in each part of the training set."""
    simulate(folder / "shop", sessions=2000, days=5)
    ingested = ingest([folder / "shop"], folder / "out/events")
    settings = TrainingSetSettings(LabelSettings(horizon_seconds=4 * 3600))
    manifest = build(folder / "out/events", folder / "out/training", settings)
    parts = {name: int(part["carts"]) for name, part in manifest["parts"].items()}
    return {"events": ingested.rows_out, **parts}


@pytest.fixture(autouse=True)
def _in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def told(pattern: str) -> str:
    """The one place in the README's line for a tool."""
    (place,) = re.findall(pattern, README)
    return str(place)


def test_polars_reads_the_lake(rows: dict[str, int]) -> None:
    assert len(pl.read_parquet(told(r'`pl\.read_parquet\("(.+?)"\)`'))) == rows["events"]


def test_pandas_reads_a_part_of_the_training_set(rows: dict[str, int]) -> None:
    assert len(pd.read_parquet(told(r'`pd\.read_parquet\("(.+?)"\)`'))) == rows["train"]


def test_duckdb_reads_a_part_of_the_training_set(rows: dict[str, int]) -> None:
    duckdb = pytest.importorskip("duckdb", reason="the extra 'bench' is not installed")
    assert len(duckdb.sql(told(r"in DuckDB `(from '.+?')`")).fetchall()) == rows["test"]
