"""Packed states, compiled: only the blocks of event types that an entity has seen.

Most states are of pairs that saw one type of event, so most blocks of a dense state are empty. A
packed state is a sequence of little-endian words of 64 bits: the specification's fingerprint, the
landmark's index (int32) below a mask (uint32) of the event types present, then their blocks as
float64, as they lie in the dense state (:class:`cartwise.features.layout.StateLayout`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartwise.features import kernel
from cartwise.features.compiled import compiled
from cartwise.features.layout import Ints, Plan, StateLayout

HEAD = 2
"""Words before the blocks."""

_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)

Words = NDArray[np.uint64]


class Layouts(NamedTuple):
    """The layouts of all entities, stacked along the first axis, as few arrays for quick calls.

    ``half_lives[e, :counters[e]]`` and ``price_half_lives`` are padded; ``ends`` are where blocks
    end.
    """

    widths: Ints
    readings: Ints
    time_to_live_seconds: Ints
    counters: Ints
    half_lives: Ints
    block: Ints
    ends: Ints
    recency: Ints
    prices: Ints
    price_half_lives: Ints


def stack(plan: Plan) -> Layouts:
    """Stack the layouts of a plan's entities."""
    layouts = plan.entities
    return Layouts(
        np.array([layout.width for layout in layouts]),
        np.array([layout.readings for layout in layouts]),
        np.array([layout.time_to_live_seconds for layout in layouts]),
        np.array([len(layout.half_lives) for layout in layouts]),
        _padded([layout.half_lives for layout in layouts]),
        np.array([layout.block for layout in layouts]),
        np.array([[*layout.block[1:], layout.width] for layout in layouts]),
        np.array([layout.recency for layout in layouts]),
        np.array([layout.prices for layout in layouts]),
        _padded([layout.price_half_lives for layout in layouts]),
    )


def _padded(arrays: list[Ints]) -> Ints:
    width = max(array.shape[-1] for array in arrays)
    rows = [np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, width - a.shape[-1])]) for a in arrays]
    return np.array(rows)


@compiled()
def layout_at(layouts, entity):
    """The layout of one entity."""
    return StateLayout(
        layouts.widths[entity],
        layouts.readings[entity],
        layouts.time_to_live_seconds[entity],
        layouts.half_lives[entity][: layouts.counters[entity]],
        layouts.block[entity],
        layouts.recency[entity],
        layouts.prices[entity],
        layouts.price_half_lives[entity],
    )


@compiled()
def unpack(words, start, fingerprint, layouts, entity, state):
    """Fill a dense ``state`` from the packed one at ``words[start]``; where that ends.

    -1 if the words are not a state of this entity and fingerprint.
    """
    if start + HEAD > len(words) or words[start] != fingerprint:
        return -1
    head = words[start + 1]
    kernel.clear(state, layout_at(layouts, entity), np.int64(np.int32(head & _LOW)))
    floats = words.view(np.float64)
    place = start + HEAD
    for event in range(layouts.block.shape[1]):
        if (head >> (_HALF + np.uint64(event))) & _ONE:
            first = layouts.block[entity, event]
            size = layouts.ends[entity, event] - first
            if place + size > len(words):
                return -1
            for i in range(size):
                state[first + i] = floats[place + i]
            place += size
    return place


@compiled()
def pack(state, fingerprint, layouts, entity, words, start):
    """Write a dense state to ``words[start]``; where it ends."""
    floats = words.view(np.float64)
    head = np.uint64(np.int64(state[0])) & _LOW
    place = start + HEAD
    for event in range(layouts.block.shape[1]):
        if state[layouts.recency[entity, event]] > kernel.NEVER:
            head |= _ONE << (_HALF + np.uint64(event))
            for i in range(layouts.block[entity, event], layouts.ends[entity, event]):
                floats[place] = state[i]
                place += 1
    words[start] = fingerprint
    words[start + 1] = head
    return place


@compiled()
def pack_rows(states, fingerprint, layouts, entity, words, ends):
    """Pack every row of dense states of one entity, one after the other; where each ends."""
    place = 0
    for row in range(len(states)):
        place = pack(states[row], fingerprint, layouts, entity, words, place)
        ends[row] = place


@compiled()
def unpack_rows(words, ends, fingerprint, layouts, entity, states):
    """Fill dense rows from packed states that end at ``ends``, empty where one ends where it
    begins; the row of the first that is none of this entity, -1 if all are well."""
    start = 0
    for row in range(len(ends)):
        if ends[row] == start:
            kernel.clear(states[row], layout_at(layouts, entity), 0)
        elif unpack(words, start, fingerprint, layouts, entity, states[row]) != ends[row]:
            return row
        start = ends[row]
    return -1


@compiled()
def merge_rows(layouts, clock, fingerprint, entities, old, old_ends, new, new_ends, words, ends):
    """Merge packed states pairwise, those of ``old`` may be missing; as :func:`unpack_rows`."""
    width = layouts.widths.max()
    state = np.empty(width)
    delta = np.empty(width)
    old_start = new_start = place = 0
    for row in range(len(entities)):
        entity = entities[row]
        layout = layout_at(layouts, entity)
        old_end = old_start
        if old_ends[row] == old_start:
            kernel.clear(state, layout, 0)
        else:
            old_end = unpack(old, old_start, fingerprint, layouts, entity, state)
        if old_end != old_ends[row]:
            return row
        if unpack(new, new_start, fingerprint, layouts, entity, delta) != new_ends[row]:
            return row
        kernel.merge(state, layout, clock, delta)
        place = pack(state, fingerprint, layouts, entity, words, place)
        ends[row] = place
        old_start, new_start = old_ends[row], new_ends[row]
    return -1


@compiled()
def last_events(words, ends, fingerprint, layouts, entities, last):
    """Latest time of each packed state, ``NEVER`` for an empty one; as :func:`unpack_rows`."""
    state = np.empty(layouts.widths.max())
    start = 0
    for row in range(len(ends)):
        if unpack(words, start, fingerprint, layouts, entities[row], state) != ends[row]:
            return row
        last[row] = kernel.last_event(state, layout_at(layouts, entities[row]))
        start = ends[row]
    return -1
