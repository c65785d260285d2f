"""Which carts have no known outcome: too near to the log's end, or to a span without purchases."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cartwise.data.log import Log
from cartwise.data.spans import Span, touches
from cartwise.data.splits import FATES, Fates


def censored(
    times: NDArray[np.int64], log: Log, spans: Sequence[Span], horizon_seconds: int
) -> Fates:
    """The fates of carts, given by their times, that are censored; 0 for all others."""
    fates = np.zeros(len(times), dtype=np.uint8)
    fates[touches(spans, times, horizon_seconds)] = FATES.index("censored_outage")
    immature = times + horizon_seconds > log.last_second
    fates[immature] = FATES.index("censored_end")
    return fates
