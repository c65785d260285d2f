"""The test carts by challenger and champion, and what else the gate measures of a challenger."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import xgboost as xgb
from numpy.typing import NDArray

from cartwise.disk import readable
from cartwise.errors import FingerprintMismatch, InputError, NotEnoughData
from cartwise.model.boosting import smoothed_rate
from cartwise.model.bundle import BOOSTER, Bundle
from cartwise.model.columns import LABEL
from cartwise.model.comparison import Comparison, Pair, compare
from cartwise.model.examples import TrainingSet
from cartwise.model.slices import FEATURES, PROBABILITY, slice_masks
from cartwise.progress import Progress

Array = NDArray[np.float64]
Score = Callable[[pl.DataFrame, NDArray[np.float32]], Array]

_KEYS: Final = ("user_id", "product_id", "user_session", "cart_time")
_SLICED_BY: Final = ("category_id", "category_code", "price")
_MOST_VECTORS: Final = 2000
_TIMED_CARTS: Final = 300


@dataclass(frozen=True)
class Contest:
    """The test carts (n) that neither model learned from, in order of time.

    ``carts`` holds their keys, label and the challenger's probability; ``vectors`` (m, features)
    are of some of them.
    """

    carts: pl.DataFrame
    champion: Array
    vectors: NDArray[np.float32]
    twins: Sequence[Array] = ()
    """Probabilities (n,) by the challenger's recipe with other seeds."""

    @property
    def bought(self) -> Array:
        return self.carts[LABEL].to_numpy().astype(np.float64)

    @property
    def challenger(self) -> Array:
        return self.carts[PROBABILITY].to_numpy()

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Time of the first and the last cart."""
        times = self.carts["cart_time"]
        first, last = times[0], times[-1]
        return first, last

    def compare(self, *, draws: int = 1000, seed: int = 7, fewest_carts: float = 0) -> Comparison:
        """The paired comparison, overall and by slice; those of few carts are not judged."""
        pair = Pair(self.carts["user_id"].to_numpy(), self.bought, self.champion, self.challenger)
        slices = {
            f"{dimension}: {name.split(': ', 1)[-1]}": among.to_numpy()
            for dimension, name, among in slice_masks(self.carts)
        }
        return compare(pair, slices, self.twins, draws=draws, seed=seed, fewest_carts=fewest_carts)


def base_rate(data: TrainingSet) -> Score:
    """What a shop without a champion knows: the share bought in the train part, for every cart."""
    part = data.manifest.parts["train"]
    rate = smoothed_rate(part.carts, part.positives)
    return lambda frame, _: np.full(frame.height, rate)


def by_bundle(bundle: Bundle) -> Score:
    """A champion that scores the training set's own vectors."""
    return lambda _, vectors: bundle.score(vectors)


def by_file(scores: Path) -> Score:
    """A champion made with another specification: its scores, as ``cartwise score`` wrote them."""
    with readable(scores, "write it again with 'cartwise score', as Parquet"):
        known = pl.read_parquet(scores, columns=[*_KEYS, PROBABILITY], glob=False)

    def score(frame: pl.DataFrame, _: NDArray[np.float32]) -> Array:
        found = frame.select(_KEYS).join(
            known, on=_KEYS, how="left", maintain_order="left", nulls_equal=True
        )[PROBABILITY]
        if len(found) != frame.height:
            raise InputError(
                f"'{scores}' holds a cart more than once: write it again with 'cartwise score'"
            )
        if found.null_count():
            raise InputError(
                f"'{scores}' lacks {found.null_count():,} of the test carts: score the lake that "
                "the training set was built from, with the champion"
            )
        return found.to_numpy()

    return score


def hold_contest(
    data: TrainingSet,
    challenger: Bundle,
    champion: Score,
    *,
    after: datetime,
    progress: Progress,
    twins: Sequence[Bundle] = (),
) -> Contest:
    """Score the carts of the test part that come later than ``after`` by both, and by ``twins``.

    Raises:
        FingerprintMismatch: the challenger was made with another specification.
        NotEnoughData: no cart is left.
    """
    challenger.require_fingerprint(data.manifest.fingerprint)
    frames, rivals, vectors = [], [], []
    by_twin: list[list[Array]] = [[] for _ in twins]
    total = data.manifest.carts("test")
    step = -(-total // _MOST_VECTORS) or 1
    with progress.task("score by both models", total, "cart") as advance:
        for frame, matrix in _later(data, after):
            probability = pl.Series(PROBABILITY, challenger.score(matrix))
            frames.append(frame.with_columns(probability))
            rivals.append(champion(frame, matrix))
            vectors.append(matrix[::step])
            for twin, scores in zip(twins, by_twin, strict=True):
                scores.append(twin.score(matrix))
            advance(frame.height)
    if not sum(frame.height for frame in frames):
        raise NotEnoughData(
            f"the test part of '{data.path}' holds no cart after {after}, up to when a model knows "
            "the log: build the training set from a longer log"
        )
    return Contest(
        pl.concat(frames),
        np.concatenate(rivals),
        np.concatenate(vectors),
        [np.concatenate(scores) for scores in by_twin],
    )


def _later(
    data: TrainingSet, after: datetime
) -> Iterator[tuple[pl.DataFrame, NDArray[np.float32]]]:
    names = data.manifest.feature_names
    kept = [*_KEYS, *_SLICED_BY, LABEL, *(name for name in FEATURES if name in names)]
    for whole in data.batches("test", [*kept, *names]):
        frame = whole.filter(pl.col("cart_time") > after)
        yield frame.select(kept), data.vectors(frame)


def known_until(bundle: Bundle) -> datetime:
    """Until when a model knows the log: its last cart and, by that cart's label, a horizon more."""
    until = learned_until(bundle)
    return until + timedelta(seconds=bundle.spec.horizon_seconds)


def learned_until(bundle: Bundle) -> datetime:
    """Time of the last cart that a model learned from."""
    return datetime.fromisoformat(bundle.fact("learned_until"))


def require_same_vectors(champion: Bundle, data: TrainingSet) -> None:
    """Raise FingerprintMismatch where a champion cannot score the training set's vectors."""
    if champion.spec.fingerprint != data.manifest.fingerprint:
        raise FingerprintMismatch(
            f"the champion was made with the feature specification {champion.spec.fingerprint}, "
            f"and the training set has {data.manifest.fingerprint}: score the lake with the "
            "champion and the version of Cartwise that made it ('cartwise score'), and give the "
            "file as --champion-scores"
        )


def difference_of_engines(bundle: Bundle, vectors: NDArray[np.float32]) -> float:
    """The largest difference between probabilities by ONNX Runtime and by XGBoost itself."""
    booster = xgb.Booster(model_file=bytearray(bundle.files[BOOSTER]))
    margin = booster.inplace_predict(vectors, predict_type="margin", missing=np.nan)
    other = bundle.calibrated(np.asarray(margin, np.float32))
    return float(np.abs(other - bundle.score(vectors)).max())


def microseconds_per_cart(bundle: Bundle, vectors: NDArray[np.float32]) -> float:
    """The median time to score one cart alone."""
    rows: list[Any] = [vectors[place % len(vectors)][None, :] for place in range(_TIMED_CARTS)]
    taken = []
    for row in rows:
        start = time.perf_counter()
        bundle.score(row)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken)) * 1e6
