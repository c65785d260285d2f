"""The feature core: pure compiled functions that every driver calls and nothing else.

A counter is the sum over an entity's events i up to T of ``2 ** (-(T - t_i) / h)``, kept forward
(Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay: A Practical Time Decay Model for Streaming
Systems", ICDE 2009): ``S = sum of 2 ** ((t_i - L) / h)`` for a landmark L. Powers of two are made
of a fraction ``2 ** (r / h)``, which does not depend on L, and a whole exponent, which is exact.
So a value has the same bits whatever landmark its state is kept for.

Times are whole seconds since the Unix epoch. States are float64 arrays, see
:class:`cartwise.features.layout.StateLayout`; values are float32, missing is NaN.
"""

import math

import numpy as np

from cartwise.features.compiled import compiled
from cartwise.features.layout import CONSTANT, LOG_RATIO, RATE
from cartwise.features.spec import LANDMARK_SECONDS, LEAST_PRICE_WEIGHT

NEVER = -np.inf
"""The latest time of an event that has not been: the neutral element of max."""


@compiled(forceinline=True)
def landmark_of(time):
    """Index of the landmark at or before ``time``."""
    return time // LANDMARK_SECONDS


@compiled(forceinline=True)
def weigh(clock, time, sign, powers):
    """``2 ** (sign * (time - L) / h)`` per half-life, for the landmark L at or before ``time``."""
    for i in range(len(powers)):
        half_life = clock.half_life_seconds[i]
        periods = time // half_life
        fraction = np.exp2(sign * (time - periods * half_life) / half_life)
        since = periods - landmark_of(time) * clock.periods_per_landmark[i]
        powers[i] = math.ldexp(fraction, sign * since)


@compiled(forceinline=True)
def _shift(power, clock, half_life, landmarks):
    """Move a power of two by whole landmarks; exact, and nearly always by none."""
    if landmarks == 0:
        return power
    return math.ldexp(power, landmarks * clock.periods_per_landmark[half_life])


@compiled()
def clear(state, layout, landmark):
    """Make ``state`` the state of an entity without events."""
    state[:] = 0.0
    state[0] = landmark
    for event in range(len(layout.recency)):
        state[layout.recency[event]] = NEVER


@compiled()
def _rebase_block(state, layout, clock, event, landmarks):
    block = layout.block[event]
    for i in range(len(layout.half_lives)):
        state[block + i] = _shift(state[block + i], clock, layout.half_lives[i], landmarks)
    price = layout.recency[event] + 1
    for i in range(layout.prices[event]):
        half_life = layout.price_half_lives[event, i]
        state[price] = _shift(state[price], clock, half_life, landmarks)
        state[price + 1] = _shift(state[price + 1], clock, half_life, landmarks)
        price += 2


@compiled()
def _rebase(state, layout, clock, landmark):
    landmarks = int(state[0]) - landmark
    for event in range(len(layout.block)):
        _rebase_block(state, layout, clock, event, landmarks)
    state[0] = landmark


@compiled(forceinline=True)
def is_current(states, row, time):
    """Whether a state's landmark is that of ``time``, so that :func:`add` may be called."""
    return landmark_of(time) == int(states[np.uint64(row), 0])


@compiled(forceinline=True)
def add(states, row, layout, event, time, log_price, powers, at):
    """:func:`apply` for the common case of an event and a state with the same landmark.

    The state is ``states[row]`` and the event's weights are ``powers[at]``: a view of a row, and
    an index that may be negative, would cost as much again as the additions.
    """
    row = np.uint64(row)
    at = np.uint64(at)
    block = np.uint64(layout.block[event])
    recency = np.uint64(layout.recency[event])
    for i in range(len(layout.half_lives)):
        states[row, block + np.uint64(i)] += powers[at, np.uint64(layout.half_lives[i])]
    states[row, recency] = max(states[row, recency], float(time))
    if not math.isnan(log_price):
        for i in range(layout.prices[event]):
            weight = powers[at, np.uint64(layout.price_half_lives[event, i])]
            states[row, recency + np.uint64(1 + 2 * i)] += weight * log_price
            states[row, recency + np.uint64(2 + 2 * i)] += weight


@compiled()
def apply(state, layout, clock, event, time, log_price, powers):
    """Add one event to a state.

    ``powers`` is ``weigh(clock, time, 1, …)``; ``log_price`` is NaN where the price is unknown.
    An event that is older than the state's landmark adds what it still weighs.
    """
    if last_event(state, layout) == NEVER:
        state[0] = landmark_of(time)
    elif landmark_of(time) > state[0]:
        _rebase(state, layout, clock, landmark_of(time))
    late = landmark_of(time) - int(state[0])
    if late != 0:
        powers = powers.copy()
        for i in range(len(powers)):
            powers[i] = _shift(powers[i], clock, i, late)
    add(state.reshape(1, -1), 0, layout, event, time, log_price, powers.reshape(1, -1), 0)


@compiled()
def merge(state, layout, clock, delta):
    """Add a state of other events of the same entity to ``state``; ``delta`` may be rebased."""
    if delta[0] > state[0]:
        _rebase(state, layout, clock, int(delta[0]))
    elif state[0] > delta[0]:
        _rebase(delta, layout, clock, int(state[0]))
    for event in range(len(layout.block)):
        recency = layout.recency[event]
        for i in range(layout.block[event], recency):
            state[i] += delta[i]
        state[recency] = max(state[recency], delta[recency])
        for i in range(recency + 1, recency + 1 + 2 * layout.prices[event]):
            state[i] += delta[i]


@compiled(forceinline=True)
def copy_part(states, row, layout, event, parts, at):
    """:func:`put` of ``parts[at]`` into ``states[row]``, for the common case of one landmark."""
    row = np.uint64(row)
    at = np.uint64(at)
    before = np.uint64(layout.block[event] - 1)
    for i in range(1, parts.shape[1]):
        states[row, before + np.uint64(i)] = parts[at, np.uint64(i)]


@compiled()
def put(states, row, layout, clock, event, parts, at):
    """Put what one type of events left into a state that has none of that type yet.

    The state is ``states[row]``. ``parts[at]`` is a state by itself, laid out by
    :func:`cartwise.features.layout.part_of`.
    """
    state, part = states[row], parts[at]
    if part[1 + layout.recency[event] - layout.block[event]] == NEVER:
        return
    if part[0] > state[0]:
        _rebase(state, layout, clock, int(part[0]))
    copy_part(states, row, layout, event, parts, at)
    if part[0] < state[0]:
        _rebase_block(state, layout, clock, event, int(part[0]) - int(state[0]))


@compiled()
def last_event(state, layout):
    """Time of the latest event of a state, ``NEVER`` if it has none."""
    last = NEVER
    for event in range(len(layout.recency)):
        last = max(last, state[layout.recency[event]])
    return last


@compiled()
def read(state, layout, clock, time, powers, out):
    """Read a state at ``time``, or at its own last event if that is later.

    ``powers`` is scratch space, one place per half-life. What is older than the time to live
    reads as if it had never been: expiry changes nothing that can be seen.
    """
    last = last_event(state, layout)
    at = max(time, int(last)) if last > NEVER else time
    weigh(clock, at, -1, powers)
    early = int(state[0]) - landmark_of(at)
    for i in range(len(powers)):
        powers[i] = _shift(powers[i], clock, i, early)
    place = 0
    for event in range(len(layout.block)):
        recency = layout.recency[event]
        alive = at - state[recency] <= layout.time_to_live_seconds
        for i in range(len(layout.half_lives)):
            counter = state[layout.block[event] + i] * powers[layout.half_lives[i]]
            out[place] = counter if alive else 0.0
            place += 1
        out[place] = at - state[recency] if alive else np.nan
        place += 1
        for i in range(layout.prices[event]):
            total = state[recency + 1 + 2 * i]
            weight = state[recency + 2 + 2 * i]
            weighs = weight * powers[layout.price_half_lives[event, i]] >= LEAST_PRICE_WEIGHT
            out[place] = total / weight if alive and weighs else np.nan
            place += 1


@compiled()
def facts(time, log_price, out):
    """What the event itself tells, in the order of ``spec.FACTS``."""
    out[0] = log_price
    out[1] = (time % 86_400) / 3600.0
    out[2] = (time // 86_400 + 3) % 7


@compiled(forceinline=True)
def _at_least_none(count):
    # A difference of counts is negative where a visit had several users.
    return float(count) if count > 0.0 else 0.0


@compiled()
def _rate(values, operands, factors):
    prior = factors[2] if operands[2] == CONSTANT else float(values[operands[2]])
    strength = factors[0]
    hits = _at_least_none(values[operands[0]])
    return (hits + strength * prior) / (_at_least_none(values[operands[1]]) + strength)


@compiled()
def _log_ratio(values, operands, factors):
    over = values[operands[0]] + factors[0]
    under = values[operands[1]] + factors[0]
    return math.log(over / under) if over > 0.0 and under > 0.0 else np.nan


@compiled()
def _sum(values, operands, factors):
    total = 0.0
    for i in range(len(operands)):
        total += factors[i] * values[operands[i]]
    return total


@compiled()
def derive(values, program):
    """Fill the derived values, which are the last ones, from the earlier ones."""
    first = len(values) - len(program.codes)
    for i in range(len(program.codes)):
        operands = program.operands[program.start[i] : program.start[i + 1]]
        factors = program.factors[program.start[i] : program.start[i + 1]]
        if program.codes[i] == RATE:
            values[first + i] = _rate(values, operands, factors)
        elif program.codes[i] == LOG_RATIO:
            values[first + i] = _log_ratio(values, operands, factors)
        else:
            values[first + i] = _sum(values, operands, factors)
