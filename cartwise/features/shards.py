"""Parts of the states, each small enough to be kept in memory: one pass over the log for each.

Nearly all memory goes to states of users, which last, and of sessions, which are soon forgotten. So
a pass keeps some of the users or some of the sessions, and looks at the columns of these alone.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.features.keys import KeyColumn
from cartwise.features.layout import Ints, plan_of
from cartwise.features.spec import Entity, Specification
from cartwise.features.walk import in_shard

BY_SESSION, BY_USER = "user_session", "user_id"


@dataclass(frozen=True)
class Shard:
    """What one pass keeps: all states, or those of part ``index`` of ``count`` of the sessions, or
    of the users: those whose hash leaves ``index``.

    States that are kept neither by session nor by user are few; they go with the first sessions. A
    user's sessions may be in any part of them: one session may be of several users.
    """

    by: str | None = None
    index: int = 0
    count: int = 1

    @property
    def name(self) -> str:
        """A name for files."""
        return f"{self.by}-{self.index}" if self.by else "all"

    def keeps(self, entity: Entity) -> bool:
        """Whether any states of this entity are kept."""
        by = sharded_by(entity)
        is_first = self.by == BY_SESSION and self.index == 0
        return self.by in {None, by} or (by is None and is_first)

    def mask(self, names: pl.Series) -> NDArray[np.bool_]:
        """Which rows belong to this shard, by their session or user."""
        return self.mask_keys(KeyColumn.of(names))

    def mask_keys(self, names: KeyColumn) -> NDArray[np.bool_]:
        """Which rows belong to this shard, by their prepared session or user."""
        mask: NDArray[np.bool_] = in_shard(names.half, self.index, self.count)
        return mask


@dataclass(frozen=True)
class Division:
    """How many parts sessions and users are kept in; none where all is kept at once."""

    sessions: int = 0
    users: int = 0

    def shards(self) -> tuple[Shard, ...]:
        """All shards. The first keeps the states that are split by nothing."""
        if not self.sessions:
            return (EVERYTHING,)
        return (
            *(Shard(BY_SESSION, i, self.sessions) for i in range(self.sessions)),
            *(Shard(BY_USER, i, self.users) for i in range(self.users)),
        )


WHOLE: Final = Division()
EVERYTHING: Final = Shard()


def sharded_by(entity: Entity) -> str | None:
    """The column by which an entity's states are split over shards, None if they are not."""
    return next((name for name in entity.key[:1] if name in {BY_SESSION, BY_USER}), None)


def session_seconds(specification: Specification) -> int:
    """How long, at most, a state that is kept by session lives after its last event."""
    entities = specification.entities
    return max(e.time_to_live_seconds for e in entities if sharded_by(e) == BY_SESSION)


def sharded_columns(specification: Specification, by: str) -> Ints:
    """Places, among the values, of what the states read that are split by this column."""
    plan = plan_of(specification)
    spans = [
        np.arange(offset, offset + layout.readings)
        for entity, layout, offset in zip(
            specification.entities, plan.entities, plan.offsets, strict=True
        )
        if sharded_by(entity) == by
    ]
    return np.concatenate(spans)
