"""The kernel walked over the events of a batch, compiled."""

import numpy as np

from cartwise.features import kernel
from cartwise.features.compiled import compiled
from cartwise.features.hashing import mix


@compiled()
def in_shard(users, index, count):
    """Which users belong to part ``index`` of ``count``."""
    mask = np.empty(len(users), dtype=np.bool_)
    for i in range(len(users)):
        mask[i] = mix(users[i]) % np.uint64(count) == np.uint64(index)
    return mask


@compiled()
def _add_run(states, layout, clock, rows, times, kinds, log_prices, start, end, powers):
    # Nothing in this loop is a call: one that is never taken makes it four times as slow.
    weighed = times[start] - 1
    for i in range(start, end):
        if times[i] != weighed:
            weighed = times[i]
            kernel.weigh(clock, weighed, 1, powers)
        if rows[i] >= 0:
            state = states[rows[i]]
            if not kernel.is_current(state, times[i]):
                return i
            kernel.add(state, layout, kinds[i], times[i], log_prices[i], powers)
    return end


@compiled()
def _apply_all(states, layout, clock, rows, times, kinds, log_prices, start, end, powers):
    while start < end:
        i = _add_run(states, layout, clock, rows, times, kinds, log_prices, start, end, powers)
        if i < end:
            state = states[rows[i]]
            kernel.apply(state, layout, clock, kinds[i], times[i], log_prices[i], powers)
        start = i + 1


@compiled()
def apply_and_read(states, layout, clock, rows, times, kinds, log_prices, places, out):
    """Apply events to one entity's states; read those with a place, each right after its event.

    ``rows`` names the state of each event, -1 for none, and ``places`` its row in ``out``.
    """
    powers = np.empty(len(clock.half_life_seconds))
    start = 0
    for i in np.flatnonzero(places >= 0):
        _apply_all(states, layout, clock, rows, times, kinds, log_prices, start, i + 1, powers)
        if rows[i] >= 0:
            kernel.read(states[rows[i]], layout, clock, times[i], powers, out[places[i]])
        start = i + 1
    _apply_all(states, layout, clock, rows, times, kinds, log_prices, start, len(rows), powers)


@compiled()
def write_facts(times, log_prices, values):
    """Fill what the cart events themselves tell."""
    for i in range(len(times)):
        kernel.facts(times[i], log_prices[i], values[i])


@compiled()
def derive_all(values, program):
    """Fill the derived values of every row."""
    for i in range(len(values)):
        kernel.derive(values[i], program)
