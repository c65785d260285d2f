"""States on disk: what a replay knows at the end of a log, to go on from there another day.

Layout: ``states.json`` and, for each shard and entity, ``<shard>/<entity>.keys.npy`` and
``<shard>/<entity>.states.npy``: plain arrays, nothing that executes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from cartwise.errors import FingerprintMismatch, InputError
from cartwise.features.replay import Shard, is_sharded
from cartwise.features.spec import Specification
from cartwise.features.table import States

HEAD: Final = "states.json"


@dataclass(frozen=True)
class Checkpoint:
    """What states were made of.

    Attributes:
        fingerprint: that of the specification.
        shards: number of parts that the users are split into.
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
        names = [e.name for e in specification.entities if shard.index == 0 or is_sharded(e)]
        return {name: _load(folder / str(shard.index), name) for name in names}


def save(folder: Path, shard: Shard, states: Mapping[str, States]) -> None:
    """Write the states of one shard."""
    place = folder / str(shard.index)
    place.mkdir(parents=True)
    for name, of_entity in states.items():
        np.save(place / f"{name}.keys.npy", of_entity.keys, allow_pickle=False)
        np.save(place / f"{name}.states.npy", of_entity.states, allow_pickle=False)


def _load(place: Path, name: str) -> States:
    try:
        return States(
            np.load(place / f"{name}.keys.npy", allow_pickle=False),
            np.load(place / f"{name}.states.npy", allow_pickle=False),
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"the states of '{name}' in {place} cannot be read ({error}): delete {place.parent}"
        ) from error
