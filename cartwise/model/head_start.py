"""Where boosting begins if carts are many: a ridge regression, written as trees.

What adds up, feature by feature, a regression finds with fewer carts than trees do, which build
each sum of many steps; boosted on top of it, they are left with what it misses. What each feature
adds becomes one tree that tells the feature's bins apart: the whole is a booster as any other.
The format is https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from cartwise.model.logistic import log_odds_of
from cartwise.model.regression import Regression, on_log_scale

Array = NDArray[np.float64]

_RIDGE: Final = 300.0
_DIGITS: Final = 5
"""Rounded to so many, sums come out the same whatever order processors add in."""
_BELOW_ALL: Final = float(np.finfo(np.float32).min)
_NO_PARENT: Final = 2**31 - 1


def regression_trees(
    vectors: NDArray[np.float32],
    bought: Array,
    matrix: xgb.QuantileDMatrix,
    parameters: Mapping[str, Any],
) -> xgb.Booster:
    """A booster whose margins are those of a regression on vectors (n, features) put into bins.

    ``matrix`` has the bins, and the names of the features; ``parameters`` are those that boosting
    is to go on with.
    """
    bins = _Bins.of(vectors, _thresholds(matrix))
    regression = Regression.fit(bins.binned(), bought, matrix.feature_names, _RIDGE)
    added = regression.contributions(bins.centres)
    means = (added * bins.carts).sum(axis=0) / len(vectors)
    added = np.round(added - means, _DIGITS)
    kept = [int(feature) for feature in np.flatnonzero(np.any(added * bins.carts, axis=0))] or [0]
    rate = parameters["base_score"]
    beyond = regression.intercept + means.sum() - log_odds_of(rate)
    added[:, kept[0]] += np.round(beyond, _DIGITS)
    weight = rate * (1.0 - rate) * np.maximum(bins.carts, 1.0)
    trees = [
        _tree(feature, bins.thresholds[feature], added[:, feature], weight[:, feature])
        for feature in kept
    ]
    return _booster(trees, matrix, parameters)


def _thresholds(matrix: xgb.QuantileDMatrix) -> list[NDArray[np.float32]]:
    """Of every feature, what parts its bins: the first begins at nothing, the last ends nowhere."""
    ends, cuts = matrix.get_quantile_cut()
    ends = ends.astype(np.intp)
    return [cuts[start + 1 : end - 1] for start, end in pairwise(ends)]


class _Bins(NamedTuple):
    """Carts put into bins: row 0 is of missing values, row i of the i-th bin.

    Attributes:
        thresholds: by feature, those between its bins.
        rows: (features, n), where each value of each cart belongs.
        carts: (rows, features), how many belong there.
        centres: (rows, features), the mean value on a logarithmic scale; NaN where there is no bin.
    """

    thresholds: Sequence[NDArray[np.float32]]
    rows: NDArray[np.intp]
    carts: Array
    centres: NDArray[np.float32]

    @classmethod
    def of(cls, vectors: NDArray[np.float32], thresholds: Sequence[NDArray[np.float32]]) -> "_Bins":
        columns = np.ascontiguousarray(vectors.T)
        most = 2 + max(map(len, thresholds))
        rows = np.empty(columns.shape, dtype=np.intp)
        carts = np.zeros((most, len(columns)))
        centres = np.full(carts.shape, np.nan, dtype=np.float32)
        for feature, (values, between) in enumerate(zip(columns, thresholds, strict=True)):
            row, used = rows[feature], slice(1, 2 + len(between))
            row[:] = 1 + np.searchsorted(between, values, side="right")
            row[np.isnan(values)] = 0
            carts[:, feature] = np.bincount(row, minlength=most)
            sums = np.bincount(row, on_log_scale(values), minlength=most).astype(np.float64)
            centres[used, feature] = _centres(sums[used], carts[used, feature])
        return cls(thresholds, rows, carts, centres)

    def binned(self) -> NDArray[np.float32]:
        """The carts' vectors (n, features), each value replaced by the centre of its bin."""
        filled: NDArray[np.float32] = self.centres[self.rows.T, np.arange(len(self.rows))]
        return filled


def _centres(sums: Array, carts: Array) -> Array:
    """Means by bin, that of its neighbours where a bin has no cart; NaN where none has any."""
    known = carts > 0
    if not known.any():
        return np.full(len(sums), np.nan)
    places = np.arange(len(sums))
    means = np.interp(places, places[known], sums[known] / carts[known])
    return np.copysign(np.expm1(np.abs(means)), means)


class _Node(NamedTuple):
    """A leaf that adds ``mean`` to the margin, or a split, which goes left below ``threshold``."""

    mean: float
    weight: float
    threshold: float = 0.0
    gain: float = 0.0
    children: "tuple[_Node, ...]" = ()


def _split(threshold: float, left: _Node, right: _Node) -> _Node:
    weight = left.weight + right.weight
    mean = (left.weight * left.mean + right.weight * right.mean) / weight
    gain = sum(one.weight * (one.mean - mean) ** 2 for one in (left, right))
    return _Node(mean, weight, threshold, gain, (left, right))


def _by_bins(thresholds: NDArray[np.float32], added: Array, weight: Array) -> _Node:
    if not len(thresholds):
        return _Node(float(added[0]), float(weight[0]))
    middle = len(thresholds) // 2
    return _split(
        float(thresholds[middle]),
        _by_bins(thresholds[:middle], added[: middle + 1], weight[: middle + 1]),
        _by_bins(thresholds[middle + 1 :], added[middle + 1 :], weight[middle + 1 :]),
    )


def _tree(
    feature: int, thresholds: NDArray[np.float32], added: Array, weight: Array
) -> dict[str, Any]:
    """A tree in XGBoost's columns, by the rows of :class:`_Bins`: a root that sends what is missing
    to a leaf on its left, and what is not to the leaf of its bin."""
    missing = _Node(float(added[0]), float(weight[0]))
    nodes = [(_split(_BELOW_ALL, missing, _by_bins(thresholds, added[1:], weight[1:])), _NO_PARENT)]
    left, right = [], []
    for place, (node, _) in enumerate(nodes):
        left.append(len(nodes) if node.children else -1)
        right.append(len(nodes) + 1 if node.children else -1)
        nodes.extend((child, place) for child in node.children)
    count = len(nodes)
    return {
        "base_weights": [node.mean for node, _ in nodes],
        "default_left": [1, *[0] * (count - 1)],
        "left_children": left,
        "loss_changes": [node.gain for node, _ in nodes],
        "parents": [parent for _, parent in nodes],
        "right_children": right,
        "split_conditions": [node.threshold if node.children else node.mean for node, _ in nodes],
        "split_indices": [feature if node.children else 0 for node, _ in nodes],
        "split_type": [0] * count,
        "sum_hessian": [node.weight for node, _ in nodes],
        **{f"categories{part}": [] for part in ("", "_nodes", "_segments", "_sizes")},
        "tree_param": {"num_deleted": "0", "num_nodes": str(count), "size_leaf_vector": "1"},
    }


def _booster(
    trees: Sequence[Mapping[str, Any]], matrix: xgb.QuantileDMatrix, parameters: Mapping[str, Any]
) -> xgb.Booster:
    document = json.loads(xgb.train(dict(parameters), matrix, 0).save_raw("json"))
    model = document["learner"]["gradient_booster"]["model"]
    features = {"num_feature": str(matrix.num_col())}
    model["trees"] = [
        {**tree, "id": place, "tree_param": {**tree["tree_param"], **features}}
        for place, tree in enumerate(trees)
    ]
    model["tree_info"] = [0] * len(trees)
    model["iteration_indptr"] = list(range(len(trees) + 1))
    model["gbtree_model_param"]["num_trees"] = str(len(trees))
    booster = xgb.Booster(dict(parameters))
    booster.load_model(bytearray(json.dumps(document).encode()))
    return booster
