"""The test part, read once: every cart with the model's probability and each baseline's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.errors import InputError, NotEnoughData
from cartwise.model.baselines import Baselines
from cartwise.model.bundle import Bundle
from cartwise.model.columns import LABEL
from cartwise.model.examples import TrainingSet
from cartwise.model.manifest import Manifest
from cartwise.model.slices import FEATURES, PROBABILITY
from cartwise.plain_files import refuse_endless
from cartwise.progress import Progress

Array = NDArray[np.float64]

TRUTH: Final = "purchase_probability"

_CART_COLUMNS: Final = (
    "user_id",
    "product_id",
    "user_session",
    "cart_time",
    "category_id",
    "category_code",
    "price",
    LABEL,
)
TRUTH_KEYS: Final = ("user_session", "product_id")


@dataclass(frozen=True)
class ScoredCarts:
    """The test carts (n) in order; ``vectors`` (m, features) are of every k-th of them."""

    carts: pl.DataFrame
    baselines: Mapping[str, Array]
    vectors: NDArray[np.float32]

    @property
    def bought(self) -> Array:
        return self.carts[LABEL].to_numpy().astype(np.float64)

    @property
    def probability(self) -> Array:
        return self.carts[PROBABILITY].to_numpy()

    @property
    def price(self) -> Array:
        return self.carts["price"].fill_null(0.0).to_numpy()

    @property
    def users(self) -> NDArray[Any]:
        return self.carts["user_id"].to_numpy()


def score_test(
    data: TrainingSet, bundle: Bundle, baselines: Baselines, explained: int, progress: Progress
) -> ScoredCarts:
    """Score the test part batch by batch; raises NotEnoughData where it is empty."""
    total = data.manifest.carts("test")
    if total == 0:
        raise NotEnoughData(
            f"the test part of '{data.path}' holds no cart, so nothing can be measured: "
            "give a longer log or a shorter horizon"
        )
    names = data.manifest.feature_names
    columns = [*_CART_COLUMNS, *(name for name in FEATURES if name in names)]
    frames, scores, samples = [], [], []
    with progress.task("score the test part", total, "cart") as advance:
        for frame in data.batches("test", [*columns, *names]):
            vectors = data.vectors(frame)
            frames.append(frame.select(columns).with_columns(probability=bundle.score(vectors)))
            scores.append(baselines.score(frame, vectors))
            samples.append(vectors[:: -(-total // explained)])
            advance(frame.height)
    by_name = {name: np.concatenate([score[name] for score in scores]) for name in scores[0]}
    return ScoredCarts(pl.concat(frames), by_name, np.concatenate(samples))


def true_probabilities(carts: pl.DataFrame, truth: Path, manifest: Manifest) -> Array:
    """The true probability of each test cart (n,), NaN where the truth file does not know it."""
    keys = list(TRUTH_KEYS)
    refuse_endless(truth)
    try:
        facts = pl.read_parquet_metadata(truth)
        known = pl.read_parquet(truth, columns=[*keys, TRUTH], glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"'{truth}' is not a truth file with the columns {', '.join([*keys, TRUTH])}: {error}"
        ) from error
    _require_same_meaning(truth, facts, manifest)
    joined = carts.select(keys).join(
        known.unique(keys, keep="first", maintain_order=True),
        on=keys,
        how="left",
        maintain_order="left",
    )
    found = joined[TRUTH].cast(pl.Float64).to_numpy()
    if np.isnan(found).all():
        raise InputError(f"'{truth}' knows none of the test carts: give the truth of this very log")
    return found


def _require_same_meaning(truth: Path, facts: Mapping[str, str], manifest: Manifest) -> None:
    for name in ("horizon_seconds", "label_scope"):
        means, needed = facts.get(name), str(getattr(manifest, name))
        if means is not None and means != needed:
            raise InputError(
                f"'{truth}' tells of purchases with {name} {means}, and the training set has "
                f"{needed}: leave the truth out, or build the training set with what it tells of"
            )
