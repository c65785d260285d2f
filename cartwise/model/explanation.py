"""Why the model says so: TreeSHAP contributions of features to the log-odds of sampled carts."""

from dataclasses import dataclass

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Contributions:
    """Contributions (carts, features) in log-odds, beside the vectors they belong to.

    ``base`` is the log-odds of an average cart: with its contributions, that of a cart.
    """

    names: tuple[str, ...]
    values: Array
    vectors: NDArray[np.float32]
    base: float

    @property
    def importance(self) -> Array:
        """Mean absolute contribution of each feature: (features,)."""
        return np.asarray(np.abs(self.values).mean(axis=0))

    def strongest(self, count: int) -> list[int]:
        """Places of the features with the largest importance that have any, largest first."""
        order = np.argsort(-self.importance, kind="stable")[:count]
        return [int(place) for place in order if self.importance[place] > 0]


class Explainer:
    """A bundle's ``model.ubj``, ready to explain; not for two threads at the same time."""

    def __init__(self, model: bytes, names: tuple[str, ...], threads: int) -> None:
        self._names = names
        self._threads = threads
        self._booster = xgb.Booster(model_file=bytearray(model))
        self._booster.set_param({"nthread": threads})

    def contributions(self, vectors: NDArray[np.float32]) -> Contributions:
        """Exact tree contributions (Lundberg et al. 2020) of vectors (n, features).

        A row's contributions and the booster's bias add up to its margin.
        """
        found = self._booster.predict(self._matrix(vectors), pred_contribs=True)
        values = np.asarray(found[:, :-1], dtype=np.float64)
        # The bias stands in the last column, in every row alike.
        return Contributions(self._names, values, vectors, float(found[0, -1]))

    def margin(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-odds (n,) before calibration."""
        margins: NDArray[np.float32] = self._booster.predict(
            self._matrix(vectors), output_margin=True
        )
        return margins

    def _matrix(self, vectors: NDArray[np.float32]) -> xgb.DMatrix:
        return xgb.DMatrix(vectors, feature_names=list(self._names), nthread=self._threads)


def explain(
    model: bytes, names: tuple[str, ...], vectors: NDArray[np.float32], threads: int
) -> Contributions:
    """Exact tree contributions of vectors (n, features) to a bundle's ``model.ubj``."""
    return Explainer(model, names, threads).contributions(vectors)
