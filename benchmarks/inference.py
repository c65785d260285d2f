"""Figure: one row at a time through the model, as serving does it."""

from pathlib import Path

import numpy as np
import polars as pl
import xgboost as xgb

from benchmarks.contest import Contestant
from benchmarks.figure import Figure, require
from cartwise.features.catalogue import SPECIFICATION
from cartwise.model.boosting import Boosting, Seeding, parameters
from cartwise.model.head_start import regression_trees
from cartwise.model.onnx_export import to_onnx

CONTESTANTS = (
    Contestant("Cartwise (ONNX Runtime)", "benchmarks.inference_onnx"),
    Contestant("Booster.inplace_predict", "benchmarks.inference_xgboost"),
)
BOOSTING = Boosting(rounds=300)
ROWS = 10_000
GRAPH, BOOSTER, VECTORS, MARGINS = "model.onnx", "model.ubj", "vectors.npy", "margins.npy"


def write_model(training: Path, folder: Path) -> int:
    """Train on vectors of a training set, leave model and vectors; returns how many vectors."""
    carts = pl.read_parquet(sorted(training.glob("*/*.parquet")))
    vectors = carts.select(SPECIFICATION.vector).to_numpy().astype(np.float32, order="C")
    bought = carts["label"].cast(pl.Float64).to_numpy()
    names, given = list(SPECIFICATION.vector), parameters(BOOSTING, Seeding(), bought.mean())
    matrix = xgb.QuantileDMatrix(vectors, bought, feature_names=names, max_bin=BOOSTING.bins)
    start = regression_trees(vectors, bought, matrix, given)
    booster = xgb.train(given, matrix, BOOSTING.rounds, xgb_model=start)
    folder.mkdir()
    (folder / GRAPH).write_bytes(to_onnx(booster))
    booster.save_model(folder / BOOSTER)
    chosen = np.resize(np.arange(len(vectors)), ROWS)
    np.save(folder / VECTORS, vectors[chosen])
    return ROWS


def require_equal(ours: Path, theirs: Path) -> None:
    """Raise unless two runtimes give the same margins (log-odds)."""
    one, other = np.load(ours / MARGINS), np.load(theirs / MARGINS)
    farthest = float(np.abs(one - other).max())
    require(farthest <= 1e-5, f"margins differ by up to {farthest:.1e}")


FIGURE = Figure(
    "inference",
    f"one vector of {len(SPECIFICATION.vector)} features at a time through the trees of a "
    f"regression and {BOOSTING.rounds} of depth {BOOSTING.depth}",
    "rows",
    CONTESTANTS,
    require_equal,
    {"Booster.inplace_predict": 10.0},
)
