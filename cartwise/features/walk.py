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
def weigh_all(clock, times, powers):
    """Fill row i of ``powers`` with the weights of an event at ``times[i]``."""
    for i in range(len(times)):
        if i > 0 and times[i] == times[i - 1]:
            powers[i] = powers[i - 1]
        else:
            kernel.weigh(clock, times[i], 1, powers[i])


@compiled(forceinline=True)
def _add_run(states, layout, rows, times, kinds, log_prices, powers, start, end):
    for i in range(start, end):
        if rows[i] >= 0:
            if not kernel.is_current(states, rows[i], times[i]):
                return i
            kernel.add(states, rows[i], layout, kinds[i], times[i], log_prices[i], powers, i)
    return end


@compiled(forceinline=True)
def apply_all(states, layout, clock, rows, times, kinds, log_prices, powers, start, end):
    """Apply the events ``start:end`` to one entity's states."""
    while start < end:
        i = _add_run(states, layout, rows, times, kinds, log_prices, powers, start, end)
        if i < end:
            state = states[rows[i]]
            kernel.apply(state, layout, clock, kinds[i], times[i], log_prices[i], powers[i])
        start = i + 1


@compiled()
def apply_and_read(states, layout, clock, rows, times, kinds, log_prices, powers, places, out):
    """Apply events to one entity's states; read those with a place, each right after its event.

    ``rows`` names the state of each event, -1 for none; ``powers`` are as :func:`weigh_all` gives
    them, and ``places`` are rows of ``out``.
    """
    scratch = np.empty(len(clock.half_life_seconds))
    start = 0
    for i in np.flatnonzero(places >= 0):
        apply_all(states, layout, clock, rows, times, kinds, log_prices, powers, start, i + 1)
        if rows[i] >= 0:
            kernel.read(states[rows[i]], layout, clock, times[i], scratch, out[places[i]])
        start = i + 1
    apply_all(states, layout, clock, rows, times, kinds, log_prices, powers, start, len(rows))


@compiled()
def apply_and_copy(
    parts,
    part,
    clock,
    rows,
    times,
    log_prices,
    powers,
    copied,
    positions,
    states,
    layout,
    event,
):
    """Apply events of one type to the parts of states, and copy some parts on the way.

    ``rows`` names the part of each event, -1 for none; ``powers`` are as :func:`weigh_all` gives
    them. Copy i puts the part ``copied[i]``, -1 for none, after ``positions[i]`` events into
    ``states[i]``, as that of the type ``event``; positions ascend.
    """
    # Calls stand only where they are rare: each would count references to every array.
    i, copy, copies = 0, 0, len(copied)
    while True:
        end = positions[copy] if copy < copies else len(rows)
        while i < end:
            if rows[i] >= 0:
                if not kernel.is_current(parts, rows[i], times[i]):
                    break
                kernel.add(parts, rows[i], part, 0, times[i], log_prices[i], powers, i)
            i += 1
        if i < end:
            state = parts[rows[i]]
            kernel.apply(state, part, clock, 0, times[i], log_prices[i], powers[i])
            i += 1
        elif copy == copies:
            break
        else:
            at = copied[copy]
            if at >= 0:
                if states[copy, 0] == parts[at, 0]:
                    kernel.copy_part(states, copy, layout, event, parts, at)
                else:
                    kernel.put(states, copy, layout, clock, event, parts, at)
            copy += 1


@compiled()
def put_all(states, layout, clock, event, parts, rows):
    """Put each part, of the type ``event``, into the state that ``rows`` names."""
    for i in range(len(rows)):
        kernel.put(states, rows[i], layout, clock, event, parts, i)


@compiled()
def clear_all(states, layout, times):
    """Make every row the state of an entity without events, to be read at its time."""
    for i in range(len(times)):
        kernel.clear(states[i], layout, kernel.landmark_of(times[i]))


@compiled()
def read_all(states, layout, clock, times, known, places, out):
    """Read every known state at its time into the row of ``out`` that ``places`` names."""
    scratch = np.empty(len(clock.half_life_seconds))
    for i in range(len(times)):
        if known[i]:
            kernel.read(states[i], layout, clock, times[i], scratch, out[places[i]])


@compiled()
def are_first(rows, times, last, memory, out):
    """Which events are the first of their row, or come more than ``memory`` after the one before.

    ``rows`` is -1 for events that are none; ``last`` holds the latest time of each row.
    """
    for i in range(len(rows)):
        out[i] = rows[i] >= 0 and times[i] - last[rows[i]] > memory
        if rows[i] >= 0:
            last[rows[i]] = times[i]


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
