"""From what Feast answers to what the model takes."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from cartwise.feast.errors import EntityRowsUnusable
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.layout import plan_of
from cartwise.features.replay import Values, complete
from cartwise.features.spec import Specification

Answer: TypeAlias = pa.Table | pd.DataFrame | Mapping[str, Sequence[Any]]


def vectors(
    answer: Answer,
    *,
    cart_time: str = "event_timestamp",
    price: str = "price",
    specification: Specification = SPECIFICATION,
) -> Values:
    """The model's vectors of carts: shape (rows, features), float32, missing is NaN.

    Facts of the cart and derived features are computed here, by the core, from the readings of the
    feature service ``cart_conversion_v1``. The readings have to hold the cart event itself.

    Args:
        answer: what ``get_historical_features`` or ``get_online_features`` answered, without full
            feature names, with two columns more:
        cart_time: name of the column with the time of the cart event.
        price: name of the column with its price.
        specification: what the features are.

    Raises:
        EntityRowsUnusable: a column is missing.
    """
    readings = _frame(answer)
    place = {name: i for i, name in enumerate(specification.values)}
    asked = [name for entity in specification.entities for name in entity.readings()]
    _require(readings, [cart_time, price, *asked])
    values = np.full((readings.height, plan_of(specification).values), np.nan, dtype=np.float32)
    for name in asked:
        values[:, place[name]] = readings[name].cast(pl.Float64).to_numpy()
    carts = readings.select(
        event_time=pl.col(cart_time).dt.replace_time_zone("UTC"), price=pl.col(price).cast(float)
    )
    return complete(specification, carts, values)


def _frame(answer: Answer) -> pl.DataFrame:
    if isinstance(answer, pa.Table):
        return pl.DataFrame(pl.from_arrow(answer))
    if isinstance(answer, pd.DataFrame):
        return pl.from_pandas(answer)
    return pl.DataFrame(answer)


def _require(readings: pl.DataFrame, names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in readings.columns]:
        raise EntityRowsUnusable(
            f"a vector needs the column '{missing[0]}' and {len(missing) - 1} more that are not "
            "there: ask for the feature service cart_conversion_v1, and give cart time and price"
        )
