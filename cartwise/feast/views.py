"""Feast's objects, generated from the specification: entities, views, the feature service."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import feast
import polars as pl
from feast.types import FeastType, Float64, Int64, String

from cartwise.events import EVENT_SCHEMA
from cartwise.feast.source import LogSource
from cartwise.features.dictionary import entry_of
from cartwise.features.spec import OWNER, Entity, Specification

FEATURE_SERVICE: Final = "cart_conversion_v1"
"""The features that the model for carts is trained with."""

_TYPES: Final = {
    pl.Int64: (Int64, feast.ValueType.INT64),
    pl.String: (String, feast.ValueType.STRING),
}


def entities(specification: Specification) -> list[feast.Entity]:
    """One Feast entity per key column; a view of a pair has two of them."""
    columns = dict.fromkeys(name for entity in specification.entities for name in entity.key)
    return [
        feast.Entity(
            name=column,
            join_keys=[column],
            value_type=_TYPES[EVENT_SCHEMA[column].base_type()][1],
            description=f"the log's column '{column}'",
            owner=OWNER,
        )
        for column in columns
    ]


def feature_views(specification: Specification) -> list[feast.FeatureView]:
    """One view per entity of the specification, with all that can be read from its states."""
    by_column = {entity.name: entity for entity in entities(specification)}
    return [
        feast.FeatureView(
            name=entity.name,
            entities=[by_column[column] for column in entity.key],
            schema=[*_keys(entity), *_readings(entity), *_sums(entity)],
            source=LogSource(
                entity=entity.name, fingerprint=specification.fingerprint, owner=entity.owner
            ),
            ttl=timedelta(seconds=entity.time_to_live_seconds),
            description=f"what is remembered of {entity.meaning or entity.name}",
            tags={"fingerprint": specification.fingerprint},
            owner=entity.owner,
        )
        for entity in specification.entities
    ]


def feature_service(specification: Specification) -> feast.FeatureService:
    """Everything that the model's vector is made of, but for the cart's own facts."""
    views = zip(feature_views(specification), specification.entities, strict=True)
    return feast.FeatureService(
        name=FEATURE_SERVICE,
        features=[view[list(entity.readings())] for view, entity in views],
        description="what the probability that a cart is bought is made of",
        tags={"fingerprint": specification.fingerprint},
        owner=OWNER,
    )


def price_sums(entity: Entity) -> Iterator[str]:
    """Names of the sums below an entity's mean prices, in the order in which states are read.

    A mean cannot be turned into a state again; its sum and weight can.
    """
    for reading in entity.read():
        if reading.what == "price":
            yield from (f"{reading.name}_sum", f"{reading.name}_weight")


def _keys(entity: Entity) -> Iterator[feast.Field]:
    return (feast.Field(name=column, dtype=_type_of(column)) for column in entity.key)


def _type_of(column: str) -> FeastType:
    return _TYPES[EVENT_SCHEMA[column].base_type()][0]


def _readings(entity: Entity) -> Iterator[feast.Field]:
    for reading in entity.read():
        entry = entry_of(entity, reading)
        tags = {"default": entry.default, "half_life": entry.half_life, "owner": entry.owner}
        yield feast.Field(name=entry.name, dtype=Float64, description=entry.meaning, tags=tags)


def _sums(entity: Entity) -> Iterator[feast.Field]:
    for name in price_sums(entity):
        yield feast.Field(
            name=name, dtype=Float64, description="a part of a mean price, to build states from"
        )
