"""States on disk: what a replay knows at the end of a log, to go on from there another day.

Layout: ``states.json``, and ``<shard>/<entity>.npz`` with plain arrays, nothing that executes: for
each event type ``<event>_keys`` (n, 2) and ``<event>_states`` (n, width), the parts of states that
this type of events left.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from cartwise.ahead import map_ahead
from cartwise.documents import read_document
from cartwise.errors import FingerprintMismatch, InputError
from cartwise.events import EVENT_TYPES
from cartwise.features.layout import StateLayout, part_of, plan_of
from cartwise.features.shards import Division, Shard
from cartwise.features.spec import Specification
from cartwise.features.table import Parts, States

HEAD: Final = "states.json"

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """What states were made of.

    Attributes:
        fingerprint: that of the specification.
        sessions: number of parts that sessions are kept in, see :class:`Division`.
        users: number of parts that users are kept in.
        history: digest of the events that the states hold, and of their order.
    """

    fingerprint: str
    sessions: Annotated[int, Meta(ge=0)]
    users: Annotated[int, Meta(ge=0)]
    history: str

    @property
    def division(self) -> Division:
        """How the states are split."""
        return Division(self.sessions, self.users)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The checkpoint in a folder, None where there is none."""
        if not (folder / HEAD).exists():
            return None
        return read_document(folder / HEAD, cls, f"delete {folder}")

    def write(self, folder: Path) -> None:
        """Write the head, after all states: it says that they are complete."""
        (folder / HEAD).write_text(json.dumps(asdict(self), indent=1) + "\n")

    def load(self, folder: Path, specification: Specification, shard: Shard) -> dict[str, Parts]:
        """The states of one shard, by entity; as a whole, as the kernel and stores take them:
        :func:`cartwise.features.table.whole_states`.

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
            name: _load(folder / shard.name / f"{name}.npz", layout)
            for name, layout in _layouts(specification, shard).items()
        }


def save(
    folder: Path, specification: Specification, shard: Shard, states: Mapping[str, Parts]
) -> None:
    """Write the states of one shard."""
    place = folder / shard.name
    place.mkdir(parents=True)

    def write(name: str) -> None:
        np.savez(place / f"{name}.npz", allow_pickle=False, **_pack(states[name]))

    for _ in map_ahead(write, _layouts(specification, shard), workers=2):
        pass


def _layouts(specification: Specification, shard: Shard) -> dict[str, StateLayout]:
    """How the states that a shard keeps are laid out, by entity."""
    entities = zip(specification.entities, plan_of(specification).entities, strict=True)
    return {e.name: layout for e, layout in entities if shard.keeps(e)}


def _pack(parts: Parts) -> Arrays:
    arrays: Arrays = {}
    for event, part in zip(EVENT_TYPES, parts, strict=True):
        arrays |= {f"{event}_keys": part.keys, f"{event}_states": part.states}
    return arrays


def _unpack(arrays: Mapping[str, NDArray[Any]], layout: StateLayout) -> Parts:
    parts = tuple(
        States(arrays[f"{event}_keys"], arrays[f"{event}_states"]) for event in EVENT_TYPES
    )
    widths = [part_of(layout, code).width for code in range(len(parts))]
    if any(part.states.shape != (len(part.keys), w) for part, w in zip(parts, widths, strict=True)):
        raise ValueError("its arrays do not fit together")
    return parts


def _load(file: Path, layout: StateLayout) -> Parts:
    try:
        with file.open("rb") as content, np.load(content, allow_pickle=False) as arrays:
            return _unpack(arrays, layout)
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise InputError(
            f"the states in {file} cannot be read ({error}): delete {file.parents[1]}"
        ) from error
