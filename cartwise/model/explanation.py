"""Why the model says so: TreeSHAP contributions of features to the log-odds of sampled carts."""

from dataclasses import dataclass

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Contributions:
    """Contributions (carts, features) in log-odds, beside the vectors they belong to."""

    names: tuple[str, ...]
    values: Array
    vectors: NDArray[np.float32]

    @property
    def importance(self) -> Array:
        """Mean absolute contribution of each feature: (features,)."""
        return np.asarray(np.abs(self.values).mean(axis=0))

    def strongest(self, count: int) -> list[int]:
        """Places of the features with the largest importance that have any, largest first."""
        order = np.argsort(-self.importance, kind="stable")[:count]
        return [int(place) for place in order if self.importance[place] > 0]


def explain(
    model: bytes, names: tuple[str, ...], vectors: NDArray[np.float32], threads: int
) -> Contributions:
    """Exact tree contributions (Lundberg et al. 2020) of vectors (n, features).

    ``model`` is a bundle's ``model.ubj``; a row's contributions and the booster's bias add up to
    its margin.
    """
    booster = xgb.Booster(model_file=bytearray(model))
    booster.set_param({"nthread": threads})
    matrix = xgb.DMatrix(vectors, feature_names=list(names), nthread=threads)
    values = booster.predict(matrix, pred_contribs=True)[:, :-1]
    return Contributions(names, np.asarray(values, dtype=np.float64), vectors)
