"""One row at a time through XGBoost's fastest way: https://xgboost.readthedocs.io/en/stable/prediction.html"""

from functools import cache
from pathlib import Path

import numpy as np
import xgboost as xgb

from benchmarks.inference import BOOSTER, MARGINS, VECTORS


def run(model: Path, out: Path) -> None:
    """Score every row by itself."""
    booster, vectors = _loaded(model)
    margins = [booster.inplace_predict(vector, predict_type="margin").item() for vector in vectors]
    np.save(out / MARGINS, np.array(margins))


@cache
def _loaded(model: Path) -> tuple[xgb.Booster, list[np.ndarray]]:
    # Cached, so that the warm-up loads the model, as a server does before its first answer.
    booster = xgb.Booster(params={"nthread": 1}, model_file=model / BOOSTER)
    return booster, [vector[None, :] for vector in np.load(model / VECTORS)]
