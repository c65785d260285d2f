from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cartwise.errors import InputError
from cartwise.model.contest import by_file

NONE = np.empty((0, 0), np.float32)
CARTS = pl.DataFrame(
    {
        "user_id": [1, 1],
        "product_id": [2, 3],
        "user_session": [None, "s"],
        "cart_time": [datetime(2020, 1, 1, tzinfo=UTC)] * 2,
    }
)
SCORES = CARTS.with_columns(probability=pl.Series([0.25, 0.75]))


def test_scores_of_a_file_are_found_by_cart_in_the_carts_order(tmp_path: Path) -> None:
    SCORES.reverse().write_parquet(tmp_path / "scores.parquet")
    assert by_file(tmp_path / "scores.parquet")(CARTS, NONE).tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (SCORES.head(1), "lacks 1 of the test carts"),
        (pl.concat([SCORES, SCORES.head(1)]), "holds a cart more than once"),
        (SCORES.drop("probability"), "cartwise score"),
    ],
)
def test_a_file_that_cannot_stand_for_a_champion_is_refused(
    tmp_path: Path, scores: pl.DataFrame, words: str
) -> None:
    scores.write_parquet(tmp_path / "scores.parquet")
    with pytest.raises(InputError, match=words):
        by_file(tmp_path / "scores.parquet")(CARTS, NONE)
