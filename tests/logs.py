"""Generated logs: as reference events, and as the frame that the drivers read."""

from collections.abc import Sequence

import polars as pl
from hypothesis import strategies as st

from cartwise.events import EVENT_SCHEMA, EVENT_TYPES, SECONDS_PER_DAY
from tests.reference import Event

START = 1_570_000_000

GAPS = st.sampled_from([0, 0, 0, 1, 7, 600, 3600, 6 * SECONDS_PER_DAY, 27 * SECONDS_PER_DAY])
"""Seconds between two events: ties are everywhere, and landmarks are crossed."""


def frame(events: Sequence[Event]) -> pl.DataFrame:
    """The events as the lake holds them."""
    return pl.DataFrame(
        [_row(event) for event in events], schema=list(EVENT_SCHEMA), orient="row", strict=False
    ).select(
        pl.from_epoch("event_time", "s").dt.replace_time_zone("UTC").dt.cast_time_unit("us"),
        *(pl.col(name).cast(kind) for name, kind in list(EVENT_SCHEMA.items())[1:]),
    )


def reference_log(events: pl.DataFrame) -> list[Event]:
    """A frame of the lake as the reference takes it."""
    columns = [name for name in Event.__dataclass_fields__ if name != "time"]
    rows = events.select(pl.col("event_time").dt.epoch("s"), *columns).rows()
    return [Event(*row) for row in rows]


def _row(event: Event) -> tuple[object, ...]:
    code = None
    return (event.time, event.event_type, event.product_id, event.category_id, code,
            event.brand, event.price, event.user_id, event.user_session)  # fmt: skip


LATENESS = st.sampled_from([0, 0, 0, 0, 1, 3600, 6 * SECONDS_PER_DAY, 70 * SECONDS_PER_DAY])
"""Seconds by which an event comes late: by landmarks, too."""


@st.composite
def logs(draw: st.DrawFn, *, max_size: int = 30, late: bool = False) -> list[Event]:
    """A small shop's log in time order: few users and products, so that everything meets.

    With ``late``, in order of arrival: some events are older than those before them.
    """
    time, events = START, []
    for gap in draw(st.lists(GAPS, min_size=1, max_size=max_size)):
        time += gap
        events.append(draw(_events(time - (draw(LATENESS) if late else 0))))
    return events


def _events(time: int) -> st.SearchStrategy[Event]:
    return st.builds(
        Event,
        time=st.just(time),
        event_type=st.sampled_from(EVENT_TYPES),
        product_id=st.integers(1, 3),
        category_id=st.sampled_from([1, 2**40, None]),
        brand=st.sampled_from(["ä", "brand", "", None]),
        price=st.sampled_from([0.0, 0.01, 12.5, 2574.07]),
        user_id=st.sampled_from([1, 2, -(2**63)]),
        user_session=st.sampled_from(["a", "b", None]),
    )
