"""On rows of real shops, replay gives what the definition says."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cartwise.data.ingest import ingest
from cartwise.data.lake import read_day, stored_days
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.replay import Replay
from tests.logs import reference_log
from tests.reference import vector
from tests.samples import sample

CARTS = 12


@pytest.mark.parametrize(
    "name",
    [
        "rees46-2019-10-01-head.csv",
        "cosmetics-2019-q4-heads.csv",
        "rees46-2019-11-random-rows.csv",
    ],
)
def test_replay_equals_reference_on_real_rows(name: str, tmp_path: Path) -> None:
    ingest([sample(name)], tmp_path)
    events = pl.concat([read_day(tmp_path, day) for day in stored_days(tmp_path)])
    carts = np.flatnonzero((events["event_type"] == "cart").to_numpy())
    chosen = np.random.default_rng(1).choice(carts, CARTS, replace=False)
    vectors = Replay(SPECIFICATION).vectors(events, chosen)
    log = reference_log(events)
    for row, ours in zip(chosen, vectors, strict=True):
        truth = list(vector(SPECIFICATION, log[: row + 1]).values())
        np.testing.assert_allclose(ours, truth, rtol=1e-5, atol=1e-6)
