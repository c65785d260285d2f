"""States on disk: what a replay knows at the end of a log, to go on from there another day.

Layout: ``states.json``, and ``<shard>/<entity>.npz`` with plain arrays, nothing that executes:
``keys`` (n, 2), ``landmarks`` (n,), and for each event type the ``<event>_rows`` that have had such
an event, few of n as a rule, with their ``<event>_blocks``.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from cartwise.errors import FingerprintMismatch, InputError
from cartwise.events import EVENT_TYPES
from cartwise.features.kernel import NEVER
from cartwise.features.layout import StateLayout, plan_of
from cartwise.features.replay import Shard, sharded_by
from cartwise.features.spec import Specification
from cartwise.features.table import States

HEAD: Final = "states.json"

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Checkpoint:
    """What states were made of.

    Attributes:
        fingerprint: that of the specification.
        shards: number of parts that users and sessions are split into.
        history: digest of the events that the states hold, and of their order.
    """

    fingerprint: str
    shards: int
    history: str

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The checkpoint in a folder, None where there is none."""
        try:
            return cls(**json.loads((folder / HEAD).read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"{folder / HEAD} cannot be read ({error}): delete {folder}"
            ) from error

    def write(self, folder: Path) -> None:
        """Write the head, after all states: it says that they are complete."""
        (folder / HEAD).write_text(json.dumps(asdict(self), indent=1) + "\n")

    def load(self, folder: Path, specification: Specification, shard: Shard) -> dict[str, States]:
        """The states of one shard, by entity.

        Raises:
            FingerprintMismatch: the states were made with another specification.
            InputError: a file is missing or damaged.
        """
        if specification.fingerprint != self.fingerprint:
            raise FingerprintMismatch(
                f"the states in {folder} were made with the feature specification "
                f"{self.fingerprint}, this version of Cartwise has {specification.fingerprint}: "
                "build them again with 'cartwise features'"
            )
        return {
            name: _load(folder / str(shard.index) / f"{name}.npz", layout)
            for name, layout in _layouts(specification, shard).items()
        }


def save(
    folder: Path, specification: Specification, shard: Shard, states: Mapping[str, States]
) -> None:
    """Write the states of one shard."""
    place = folder / str(shard.index)
    place.mkdir(parents=True)
    for name, layout in _layouts(specification, shard).items():
        np.savez(place / f"{name}.npz", allow_pickle=False, **_pack(states[name], layout))


def _layouts(specification: Specification, shard: Shard) -> dict[str, StateLayout]:
    """How the states that a shard keeps are laid out, by entity."""
    entities = zip(specification.entities, plan_of(specification).entities, strict=True)
    return {e.name: layout for e, layout in entities if shard.index == 0 or sharded_by(e)}


def _blocks(layout: StateLayout) -> list[tuple[str, int, slice]]:
    """Name, column of the latest time, and columns of each event type's part of a state."""
    ends = [*layout.block[1:], layout.width]
    columns = zip(EVENT_TYPES, layout.recency, layout.block, ends, strict=True)
    return [(event, int(last), slice(int(start), int(end))) for event, last, start, end in columns]


def _pack(of_entity: States, layout: StateLayout) -> Arrays:
    states = of_entity.states
    arrays: Arrays = {"keys": of_entity.keys, "landmarks": states[:, 0].astype(np.int32)}
    for event, recency, columns in _blocks(layout):
        rows = np.flatnonzero(states[:, recency] > NEVER).astype(np.uint32)
        arrays |= {f"{event}_rows": rows, f"{event}_blocks": states[rows, columns]}
    return arrays


def _unpack(arrays: Mapping[str, NDArray[np.float64]], layout: StateLayout) -> States:
    states = np.zeros((len(arrays["landmarks"]), layout.width))
    states[:, 0] = arrays["landmarks"]
    for event, recency, columns in _blocks(layout):
        states[:, recency] = NEVER
        states[arrays[f"{event}_rows"], columns] = arrays[f"{event}_blocks"]
    return States(np.asarray(arrays["keys"], dtype=np.uint64), states)


def _load(file: Path, layout: StateLayout) -> States:
    try:
        with file.open("rb") as content, np.load(content, allow_pickle=False) as arrays:
            return _unpack(arrays, layout)
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise InputError(
            f"the states in {file} cannot be read ({error}): delete {file.parents[1]}"
        ) from error
