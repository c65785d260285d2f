"""A cart is mature once its horizon lies wholly inside the log."""

from pathlib import Path

import numpy as np

from cartwise.data.censoring import censored
from cartwise.data.log import Log
from cartwise.data.splits import FATES
from tests.data.logs import write_lake
from tests.logs import START
from tests.reference import Event


def test_a_cart_is_mature_whose_horizon_ends_with_the_log(tmp_path: Path) -> None:
    events = [Event(START + time, "view", 1, 1, "b", 9.5, 1, "s") for time in (0, 7200)]
    log = Log.read(write_lake(tmp_path, events))

    fates = censored(np.array([START + 3600, START + 3601]), log, [], 3600)

    assert fates.tolist() == [0, FATES.index("censored_end")]
