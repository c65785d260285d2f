"""Keys of states, made of the join keys that Feast is given."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cartwise.features.moment import KEY_COLUMNS, NUMBERS, TEXTS, keys_of
from cartwise.features.packed import KEY_BYTES
from cartwise.features.spec import Specification


class KeyMaker:
    """Makes the keys of all entities that a row tells enough of."""

    def __init__(self, specification: Specification) -> None:
        keys = [entity.key for entity in specification.entities]
        places = [[KEY_COLUMNS.index(name) for name in key] for key in keys]
        self._columns = np.array([[*place, -1, -1][:2] for place in places], dtype=np.int64)
        masks = [sum(1 << place for place in row) for row in places]
        self._needed = np.array(masks, dtype=np.int64)

    def keys(self, row: Mapping[str, Any]) -> dict[int, bytes]:
        """Keys by the place of their entity, of those whose key columns all have a value.

        An empty text is none, as in the log.
        """
        missing = (None, "")
        known = sum(1 << i for i, name in enumerate(KEY_COLUMNS) if row.get(name) not in missing)
        product, category, user = (row.get(name) or 0 for name in NUMBERS)
        texts = ((row.get(name) or "").encode() for name in TEXTS)
        data = keys_of(
            self._columns, self._needed, known, product, category, user, *texts
        ).tobytes()
        keys = (data[place : place + KEY_BYTES] for place in range(0, len(data), KEY_BYTES))
        return {key[0]: key for key in keys}
