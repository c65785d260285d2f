"""Online answers: whose states a request needs, and what these read as."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from feast import FeatureView
from feast.feature_view import DUMMY_ENTITY_ID
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from numpy.typing import NDArray

from cartwise.feast.errors import EntityRowsUnusable
from cartwise.feast.keys import KeyMaker
from cartwise.feast.projections import Asked, entity_of, names_of
from cartwise.features.packed import Packing
from cartwise.features.probe import read_rows
from cartwise.features.probes import Readings
from cartwise.features.spec import Specification

States = Mapping[bytes, bytes | None]


@dataclass(frozen=True)
class Question:
    """Features of one view, for some keys; None for a row that names nobody."""

    asked: Asked
    keys: list[bytes | None]


class Answer(NamedTuple):
    """What is read of a view: ``values`` (rows, features), missing is NaN; the time of each
    state's last event, -inf where the store has none."""

    values: Readings
    last_events: NDArray[np.float64]


@dataclass(frozen=True)
class Request:
    """One call of Feast: what is asked of some views, as of a moment, and whose states that needs.

    Whoever reads the states of :attr:`keys`, waiting for them or not, finds the answers here.
    """

    reader: "StateReader"
    questions: Sequence[Question]
    time: int

    @cached_property
    def keys(self) -> list[bytes]:
        """All keys that the questions need, each once."""
        return list(dict.fromkeys(key for one in self.questions for key in one.keys if key))

    def answers(self, states: Sequence[bytes | None]) -> Iterator[tuple[Question, Answer]]:
        """Every question with what the states of :attr:`keys` read as.

        Raises:
            FingerprintMismatch: a state was made with another specification.
        """
        by_key = dict(zip(self.keys, states, strict=True))
        for question in self.questions:
            yield question, self.reader.answer(question, by_key, self.time)


class StateReader:
    """Turns requests of Feast into keys of the store, and its states into features."""

    def __init__(self, specification: Specification) -> None:
        self._packing = Packing(specification)
        self._keys = KeyMaker(specification)
        self._places = {entity.name: i for i, entity in enumerate(specification.entities)}

    def question(
        self, view: FeatureView, features: Sequence[str] | None, entity_keys: Sequence[EntityKey]
    ) -> Question:
        """What is asked of a view for keys that Feast has put together."""
        entity = entity_of(view)
        chosen = tuple(features or names_of(entity))
        place = self._places[entity.name]
        keys = [self._keys.keys(values_of(key)).get(place) for key in entity_keys]
        return Question(Asked(entity, chosen, chosen, {}), keys)

    def questions(self, asked: Sequence[Asked], columns: Mapping[str, Sequence[Value]]
    ) -> list[Question]:  # fmt: skip
        """What is asked of some views for rows that are given by their columns.

        Raises:
            EntityRowsUnusable: a key column of a view is missing.
        """
        found = {one: self._keys_of(dict(one), columns) for one in {_renaming(a) for a in asked}}
        return [self._question(one, found[_renaming(one)], columns) for one in asked]

    def answer(self, question: Question, states: States, time: int) -> Answer:
        """What the states read as at ``time``.

        Raises:
            FingerprintMismatch: a state was made with another specification.
        """
        entity = question.asked.entity
        place = self._places[entity.name]
        packed = [states.get(key) if key else None for key in question.keys]
        dense = self._packing.unpack(place, packed)
        layout = self._packing.plan.entities[place]
        out = np.empty((len(dense), len(names_of(entity))))
        last_events = np.empty(len(dense))
        read_rows(dense, layout, self._packing.plan.clock, time, out, last_events)
        out[[key is None for key in question.keys]] = np.nan
        return Answer(out[:, question.asked.places], last_events)

    def _question(
        self, asked: Asked, found: Sequence[Mapping[int, bytes]], columns: Mapping[str, Any]
    ) -> Question:
        if missing := [name for name in asked.join_keys if name not in columns]:
            raise EntityRowsUnusable(
                f"the features of '{asked.entity.name}' need the column '{missing[0]}': add it to "
                "the entity rows"
            )
        place = self._places[asked.entity.name]
        return Question(asked, [keys.get(place) for keys in found])

    def _keys_of(
        self, renamed: Mapping[str, str], columns: Mapping[str, Sequence[Value]]
    ) -> list[dict[int, bytes]]:
        back = {here: name for name, here in renamed.items()}
        named = {back.get(here, here): values for here, values in columns.items()}
        return [self._keys.keys(row) for row in _rows(named)]


def values_of(key: EntityKey) -> dict[str, Any]:
    """The join keys of one entity key and their values."""
    return {
        name: _plain(value) for name, value in zip(key.join_keys, key.entity_values, strict=True)
    }


def _renaming(asked: Asked) -> tuple[tuple[str, str], ...]:
    return tuple(asked.renamed.items())


def _rows(columns: Mapping[str, Sequence[Value]]) -> Iterator[dict[str, Any]]:
    names = [name for name in columns if name != DUMMY_ENTITY_ID]
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        yield {name: _plain(row[name]) for name in names}


def _plain(value: Value) -> Any:
    kind = value.WhichOneof("val")
    return getattr(value, kind) if kind else None
