"""Whether two stores say the same of every key."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cartwise.features.layout import Floats
from cartwise.features.packed import Packing
from cartwise.features.spec import Specification
from cartwise.store.protocol import Store
from cartwise.store.readings import Group, grouped, names_of, read_group, text_of_keys

TOLERANCE: Final = 1e-9
"""Relative to the value, or to the weight of what it sums up: sums of either order pass."""

NOTHING: Final = 1e-12
"""What weighs less is about to be forgotten."""

MOST_SHOWN: Final = 20

_LAST: Final = "last_event"


@dataclass(frozen=True)
class Difference:
    """A value that two stores do not share; NaN where one does not know it."""

    entity: str
    key: str
    name: str
    ours: float
    theirs: float


@dataclass
class Comparison:
    """What a comparison found: ``different`` counts keys, ``shown`` are the first differences."""

    compared: int = 0
    different: int = 0
    shown: list[Difference] = field(default_factory=list)


def compare(ours: Store, theirs: Store, specification: Specification, *, time: int) -> Comparison:
    """Compare all states: the time of each's last event, and what it reads then.

    A state that only one store has counts as different if it can still be seen at ``time``.
    """
    packing, found = Packing(specification), Comparison()
    for mine, other in _pairs(ours, theirs):
        is_shared = [None not in pair for pair in zip(mine.states, other.states, strict=True)]
        for chosen, at in ((is_shared, 0), ([not shared for shared in is_shared], time)):
            pair = (_only(mine, chosen), _only(other, chosen))
            left, right = (_values(packing, group, at) for group in pair)
            _compare_values(packing, pair[0], left, right, found)
    return found


def _pairs(ours: Store, theirs: Store) -> Iterator[tuple[Group, Group]]:
    """Ours with what they have of its keys, then nothing with what only they have."""
    for some in ours.scan():
        for group in grouped(dict(some)):
            yield group, group._replace(states=theirs.read(group.keys))
    for some in theirs.scan():
        for group in grouped(dict(some)):
            foreign = _only(group, [state is None for state in ours.read(group.keys)])
            yield foreign._replace(states=[None] * len(foreign.keys)), foreign


def _only(group: Group, chosen: Sequence[bool]) -> Group:
    keys = list(compress(group.keys, chosen))
    return Group(group.entity, keys, list(compress(group.states, chosen)))


def _values(packing: Packing, group: Group, at: int) -> Floats:
    """What states read ``at`` a time, or at their own last event if that is later, and in front
    the time of that event where it is the later one, 0 where it is not."""
    values, last = read_group(packing, group, at)
    return np.column_stack((np.where(last > at, last, 0.0), values))


def _compare_values(
    packing: Packing, group: Group, left: Floats, right: Floats, found: Comparison
) -> None:
    entity = packing.specification.entities[group.entity]
    names = [_LAST, *names_of(entity)]
    differs = _differ(names, left, right)
    rows = np.flatnonzero(differs.any(axis=1))
    found.compared += len(group.keys)
    found.different += len(rows)
    for row in rows[: MOST_SHOWN - len(found.shown)]:
        name = int(np.argmax(differs[row]))
        [key] = text_of_keys(packing, Group(group.entity, [group.keys[row]], [None]))
        found.shown.append(
            Difference(entity.name, key, names[name], left[row, name], right[row, name])
        )


def _differ(names: list[str], left: Floats, right: Floats) -> NDArray[np.bool_]:
    """Which values are not the same, shape (rows, names)."""
    scale = np.maximum(np.abs(left), np.abs(right))
    is_compared = np.ones(len(names), dtype=np.bool_)
    for place, name in enumerate(names):
        if name == _LAST or name.endswith("_ago"):
            scale[:, place] = 0.0  # a time is the same or it is not
        elif name.endswith("_sum"):
            # Its terms have both signs: their weight is the measure.
            scale[:, place] = np.fmax(scale[:, place], scale[:, place + 1])
        elif "_log_price_" in name and not name.endswith("_weight"):
            is_compared[place] = False  # a mean, of a sum and a weight that are compared
    same = np.abs(left - right) <= TOLERANCE * scale + NOTHING
    return is_compared & ~(same | (np.isnan(left) & np.isnan(right)))
