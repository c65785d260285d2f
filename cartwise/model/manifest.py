"""The manifest of a training set as the model reads it, with everything in it checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from msgspec import Meta

from cartwise.documents import read_document
from cartwise.errors import InputError
from cartwise.features.catalogue import SPECIFICATION
from cartwise.parts import LEFT_OUT, MANIFEST

REBUILD: Final = "delete the training set and build it again with 'cartwise features'"

PartName = Literal["train", "validation", "calibration", "test"]

LEARNED_FROM: Final[tuple[PartName, ...]] = ("train", "validation", "calibration")
"""The parts that a model may learn from in the end, in order of time."""

Count = Annotated[int, Meta(ge=0)]


@dataclass(frozen=True)
class Part:
    """How many carts a part holds, how many were bought, and when they were filled (ISO times)."""

    carts: Count
    positives: Count
    first_cart: str
    last_cart: str

    def __post_init__(self) -> None:
        _require_times(self.first_cart, self.last_cart)
        if self.positives > self.carts:
            raise ValueError(f"{self.positives} of {self.carts} carts were bought")


@dataclass(frozen=True)
class Day:
    """One day of the log: its mature carts, how many were bought, and the censored ones."""

    date: str
    carts: Count
    positives: Count
    censored: Count

    def __post_init__(self) -> None:
        date.fromisoformat(self.date)


@dataclass(frozen=True)
class CensoredSpan:
    """A span of the log in which purchases were not recorded as usual (ISO times)."""

    start: str
    end: str
    kind: str
    reason: str

    def __post_init__(self) -> None:
        _require_times(self.start, self.end)


@dataclass(frozen=True)
class Manifest:
    """What a training set says of itself."""

    fingerprint: str
    feature_names: Annotated[tuple[str, ...], Meta(min_length=1)]
    horizon_seconds: Annotated[int, Meta(gt=0)]
    label_scope: str
    first_event: str
    last_event: str
    data_version: str
    parts: Mapping[PartName, Part]
    counts: Mapping[str, Count]
    daily: Sequence[Day]
    censored_spans: Sequence[CensoredSpan]
    small: bool

    def __post_init__(self) -> None:
        _require_times(self.first_event, self.last_event)
        if self.fingerprint == SPECIFICATION.fingerprint:
            _require_ours(self.feature_names)
        for name in ("carts", *LEFT_OUT):
            if name not in self.counts:
                raise ValueError(f"its counts lack '{name}'")
        for part in LEARNED_FROM[:1] if self.small else LEARNED_FROM:
            if part not in self.parts:
                raise ValueError(f"it has no part '{part}'")

    def carts(self, part: PartName) -> int:
        """Carts in a part; 0 where the training set has no such part."""
        return self.parts[part].carts if part in self.parts else 0

    @classmethod
    def read(cls, training: Path) -> Self:
        """The manifest of a training set; raises InputError where it has none, or a damaged one."""
        if not (file := training / MANIFEST).is_file():
            raise InputError(
                f"'{training}' is not a training set, it has no {MANIFEST}: "
                "build one with 'cartwise features'"
            )
        return read_document(file, cls, REBUILD)


def _require_times(*moments: str) -> None:
    for moment in moments:
        # Times with and without a zone cannot be compared.
        if datetime.fromisoformat(moment).tzinfo is None:
            raise ValueError(f"its time '{moment}' has no time zone")


def _require_ours(names: tuple[str, ...]) -> None:
    """A model would otherwise learn from other columns than those that serving gives it."""
    for place, (name, ours) in enumerate(zip(names, SPECIFICATION.vector, strict=False)):
        if name != ours:
            raise ValueError(f"its feature {place + 1:,} is '{name}' and should be '{ours}'")
    if len(names) != len(SPECIFICATION.vector):
        raise ValueError(f"it has {len(names)} features and not {len(SPECIFICATION.vector)}")
