"""States read at given moments between the events of a batch, compiled.

After the readings of :func:`kernel.read` stand, for each mean price, the decayed sum of log prices
and its weight: what a state can be made of again.
"""

import numpy as np

from cartwise.features import kernel, walk
from cartwise.features.compiled import compiled


@compiled()
def _price_sums(state, layout, at, powers, out):
    """Read the sums below the mean prices; ``powers`` are as :func:`kernel.read` leaves them."""
    place = layout.readings
    for event in range(len(layout.block)):
        recency = layout.recency[event]
        alive = at - state[recency] <= layout.time_to_live_seconds
        for i in range(layout.prices[event]):
            power = powers[layout.price_half_lives[event, i]]
            for part in range(2):
                total = state[recency + 1 + 2 * i + part] * power
                out[place] = total if alive else 0.0
                place += 1


@compiled()
def read_all(state, layout, clock, time, powers, out):
    """Read a state like :func:`kernel.read`, and the sums below its mean prices after that."""
    kernel.read(state, layout, clock, time, powers, out)
    last = kernel.last_event(state, layout)
    at = max(time, int(last)) if last > kernel.NEVER else time
    _price_sums(state, layout, at, powers, out)


@compiled()
def unread(values, layout, clock, time, powers, state):
    """Make the state that reads as ``values`` at ``time``: the inverse of :func:`read_all`.

    Values that are missing count as none. What has decayed to nothing stays nothing.
    """
    kernel.clear(state, layout, kernel.landmark_of(time))
    kernel.weigh(clock, time, 1, powers)
    place = 0
    sums = layout.readings
    for event in range(len(layout.block)):
        block = layout.block[event]
        recency = layout.recency[event]
        counters = len(layout.half_lives)
        ago = values[place + counters]
        happened = not np.isnan(ago)
        for i in range(counters):
            if happened:
                state[block + i] = values[place + i] * powers[layout.half_lives[i]]
        if happened:
            state[recency] = time - ago
        for i in range(layout.prices[event]):
            power = powers[layout.price_half_lives[event, i]]
            for part in range(2):
                if happened:
                    state[recency + 1 + 2 * i + part] = values[sums] * power
                sums += 1
        place += counters + 1 + layout.prices[event]


@compiled()
def apply_and_probe(
    states,
    layout,
    clock,
    rows,
    times,
    kinds,
    log_prices,
    powers,
    probed,
    at,
    positions,
    places,
    out,
):
    """Apply events to one entity's states, and read some states on the way.

    ``rows`` names the state of each event, -1 for none. Probe i reads the state ``probed[i]``, -1
    for none, at the time ``at[i]``, after ``positions[i]`` events, into row ``places[i]`` of
    ``out``; positions ascend.
    """
    scratch = np.empty(len(clock.half_life_seconds))
    start = 0
    for i in range(len(positions)):
        end = positions[i]
        walk.apply_all(states, layout, clock, rows, times, kinds, log_prices, powers, start, end)
        start = end
        if probed[i] >= 0:
            read_all(states[probed[i]], layout, clock, at[i], scratch, out[places[i]])
    walk.apply_all(states, layout, clock, rows, times, kinds, log_prices, powers, start, len(rows))


@compiled()
def read_rows(states, layout, clock, time, out, last):
    """Read every row of dense states at one time into ``out``, and when its last event was."""
    scratch = np.empty(len(clock.half_life_seconds))
    for i in range(len(states)):
        read_all(states[i], layout, clock, time, scratch, out[i])
        last[i] = kernel.last_event(states[i], layout)


@compiled()
def missing_rows(values, layout, clock, times, states, deltas):
    """Fill ``deltas`` with what ``states`` lack to read as ``values`` at ``times``, row by row.

    It may be negative: merged with its state it gives the other one. ``states`` are used up.
    """
    scratch = np.empty(len(clock.half_life_seconds))
    for i in range(len(values)):
        unread(values[i], layout, clock, times[i], scratch, deltas[i])
        for event in range(len(layout.block)):
            recency = layout.recency[event]
            for place in range(layout.block[event], recency + 1 + 2 * layout.prices[event]):
                if place != recency:
                    states[i, place] = -states[i, place]
        if kernel.last_event(states[i], layout) > kernel.NEVER:
            kernel.merge(deltas[i], layout, clock, states[i])
