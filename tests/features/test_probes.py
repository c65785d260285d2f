"""Probes read what the definition says, at any moment, and what replay reads at events."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from cartwise.events import EVENT_SCHEMA
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.layout import plan_of
from cartwise.features.probe import read_all, unread
from cartwise.features.probes import ProbeWalk, Readings
from cartwise.features.replay import Replay
from tests.logs import START, frame, logs
from tests.reference import Event, readings_at

ENTITIES = SPECIFICATION.entities
PLAN = plan_of(SPECIFICATION)


def probed(events: pl.DataFrame, keys: pl.DataFrame, times: list[int], positions: list[int]
) -> dict[str, Readings]:  # fmt: skip
    questions = [(entity, keys) for entity in ENTITIES]
    walk = ProbeWalk(SPECIFICATION, questions, np.array(times, dtype=np.int64))
    order = np.argsort(positions, kind="stable")
    walk.advance(events, order, np.array(positions, dtype=np.int64)[order])
    return {e.name: out for e, out in zip(ENTITIES, walk.readings(), strict=True)}


@settings(max_examples=30)
@given(logs() | logs(late=True))
def test_a_probe_right_after_an_event_reads_what_replay_reads_to_the_bit(log: list[Event]) -> None:
    events = frame(log)
    times = [event.time for event in log]
    read = probed(events, events, times, [i + 1 for i in range(len(log))])
    values = Replay(SPECIFICATION).values(events, np.arange(len(log)))
    for entity, offset, layout in zip(ENTITIES, PLAN.offsets, PLAN.entities, strict=True):
        ours = read[entity.name][:, : layout.readings].astype(np.float32)
        theirs = values[:, offset : offset + layout.readings]
        np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=30)
@given(logs(), st.data())
def test_a_probe_at_any_moment_reads_what_the_definition_says(
    log: list[Event], data: st.DataObject
) -> None:
    moments = st.integers(START - 10, log[-1].time + 10**7)
    asked = data.draw(st.lists(st.tuples(st.sampled_from(log), moments), min_size=1, max_size=5))
    keys = frame([event for event, _ in asked])
    times = [time for _, time in asked]
    positions = [sum(event.time <= time for event in log) for time in times]
    read = probed(frame(log), keys, times, positions)
    for row, (who, time) in enumerate(asked):
        past = log[: positions[row]]
        for entity in ENTITIES:
            truth = list(readings_at(entity, past, who, time).values())
            ours = read[entity.name][row, : len(truth)]
            np.testing.assert_allclose(ours, truth, rtol=1e-9, atol=1e-12)


@settings(max_examples=30)
@given(logs(), st.integers(0, 10**7))
def test_a_state_made_of_its_readings_reads_the_same_at_any_later_moment(
    log: list[Event], later: int
) -> None:
    end = log[-1].time
    read = probed(frame(log), frame(log[-1:]), [end], [len(log)])
    again = probed(frame(log), frame(log[-1:]), [end + later], [len(log)])
    scratch = np.empty(len(PLAN.clock.half_life_seconds))
    for entity, layout in zip(ENTITIES, PLAN.entities, strict=True):
        state, out = np.empty(layout.width), np.empty_like(read[entity.name][0])
        unread(read[entity.name][0], layout, PLAN.clock, end, scratch, state)
        read_all(state, layout, PLAN.clock, end + later, scratch, out)
        if not np.isnan(again[entity.name]).all():
            np.testing.assert_allclose(out, again[entity.name][0], rtol=1e-9, atol=1e-12)


def test_who_never_was_seen_has_counts_of_zero_and_no_ages() -> None:
    events = frame([Event(START, "view", 1, 1, "b", 1.0, 1, "a")])
    stranger = EVENT_SCHEMA.to_frame().select(pl.col("user_id").extend_constant(9, 1))
    keys = pl.concat([EVENT_SCHEMA.to_frame(), stranger], how="diagonal")
    read = probed(events, keys, [START], [1])
    names = list(SPECIFICATION.entity("user").readings())
    values = dict(zip(names, read["user"][0], strict=False))
    assert values["user_view_7d"] == 0.0
    assert np.isnan(values["user_view_seconds_ago"])
    assert np.isnan(read["product"][0]).all()
