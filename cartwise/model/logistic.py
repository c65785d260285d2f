"""Logistic regression by Newton's method: for calibration and for the baseline of that name."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STEPS: Final = 50
_TOLERANCE: Final = 1e-9
_LONGEST_STEP: Final = 4.0
_ROWS_AT_A_TIME: Final = 4096


def probability_of(margin: Array) -> Array:
    """The logistic function, for log-odds of any size."""
    decay = np.exp(-np.abs(margin))
    return np.where(margin >= 0, 1.0, decay) / (1.0 + decay)


def log_odds_of(probability: float) -> float:
    """The inverse of :func:`probability_of`, of one probability that is neither 0 nor 1."""
    return math.log(probability / (1.0 - probability))


def fit_logistic(features: Array, target: Array, *, ridge: float) -> Array:
    """Weights (1 + features,), the intercept first, for targets between 0 and 1.

    ``ridge`` is the weight of the squared coefficients in the loss, summed over rows; the
    intercept is free of it but for a trace that keeps it finite.
    """
    design = np.column_stack([np.ones(len(features)), features])
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = min(ridge, 1e-6)
    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        step = _newton_step(design, target, weights, penalty)
        weights -= step
        if np.abs(step).max() < _TOLERANCE:
            break
    return weights


def _newton_step(design: Array, target: Array, weights: Array, penalty: Array) -> Array:
    gradient = penalty * weights
    curvature = np.diag(penalty)
    for start in range(0, len(design), _ROWS_AT_A_TIME):
        some = design[start : start + _ROWS_AT_A_TIME]
        probability = probability_of(some @ weights)
        gradient += some.T @ (probability - target[start : start + _ROWS_AT_A_TIME])
        curvature += (some * (probability * (1.0 - probability))[:, None]).T @ some
    step: Array = np.linalg.solve(curvature, gradient).astype(np.float64)
    # A full step overshoots where classes are almost separable.
    return step * min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), _TOLERANCE))
