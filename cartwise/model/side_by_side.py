"""Two models side by side: their figures, parameters and features, and where they differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xgboost as xgb

from cartwise.model.bundle import BOOSTER, Bundle

Row = tuple[str, Any, Any]


@dataclass(frozen=True)
class SideBySide:
    """Rows of name, value of the first and value of the second model; None where it has none."""

    metrics: list[Row]
    parameters: list[Row]
    features: list[Row]

    def to_json(self) -> dict[str, Any]:
        groups = {"metrics": self.metrics, "parameters": self.parameters, "features": self.features}
        return {
            group: {name: [first, second] for name, first, second in rows}
            for group, rows in groups.items()
        }


def side_by_side(first: Bundle, second: Bundle) -> SideBySide:
    """All figures, the parameters that differ, and the share of the gain of every feature."""
    parameters = _rows(first.parameters(), second.parameters())
    features = _rows(gain_shares(first), gain_shares(second))
    return SideBySide(
        metrics=_rows(_figures(first), _figures(second)),
        parameters=[row for row in parameters if row[1] != row[2]],
        features=sorted(features, key=lambda row: -max(row[1] or 0.0, row[2] or 0.0)),
    )


def gain_shares(bundle: Bundle) -> dict[str, float]:
    """How much of all loss that a model's splits save each feature saves; they add up to 1."""
    booster = xgb.Booster(model_file=bytearray(bundle.files[BOOSTER]))
    gains: dict[str, float] = booster.get_score(importance_type="total_gain")
    total = sum(gains.values()) or 1.0
    return {name: gain / total for name, gain in gains.items()}


def _figures(bundle: Bundle) -> dict[str, Any]:
    parameters = bundle.parameters()
    return {name: fact for name, fact in bundle.metrics.items() if name not in parameters}


def _rows(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Row]:
    return [(name, first.get(name), second.get(name)) for name in {**first, **second}]
