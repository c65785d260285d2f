"""What is asked of each feature view: which features, under which names, by which columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from feast import FeatureView
from feast.errors import FeastOfflineStoreUnsupportedDataSource

from cartwise.feast.source import LogSource
from cartwise.feast.views import price_sums
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.spec import Entity


@dataclass(frozen=True)
class Asked:
    """Features of one view.

    Attributes:
        entity: what the view's states are kept for.
        features: names of features, as the specification has them.
        columns: their names in the answer.
        renamed: what the entity rows call the log's key columns, where it is something else.
    """

    entity: Entity
    features: tuple[str, ...]
    columns: tuple[str, ...]
    renamed: dict[str, str]

    @property
    def join_keys(self) -> list[str]:
        """The key columns, as the entity rows call them."""
        return [self.renamed.get(name, name) for name in self.entity.key]

    @property
    def places(self) -> list[int]:
        """Of each feature the place among what is read from a state."""
        return _places(self.entity, self.features)


@cache
def names_of(entity: Entity) -> tuple[str, ...]:
    """All that is read from an entity's state: its readings, then the sums of its mean prices."""
    return (*entity.readings(), *price_sums(entity))


@lru_cache(maxsize=1000)
def _places(entity: Entity, features: tuple[str, ...]) -> list[int]:
    names = names_of(entity)
    return [names.index(name) for name in features]


def asked_of(
    views: Sequence[FeatureView], references: Sequence[str], *, full_feature_names: bool
) -> list[Asked]:
    """What references such as ``user:user_cart_7d`` ask of views, in their order.

    Raises:
        FeastOfflineStoreUnsupportedDataSource: a view is not one of the log.
        SpecificationChanged: a view was registered with another specification.
    """
    return [
        ask(view, list(_features(view, references)), full_feature_names=full_feature_names)
        for view in views
    ]


def entity_of(view: FeatureView) -> Entity:
    """The entity whose states a view shows.

    Raises:
        FeastOfflineStoreUnsupportedDataSource: it shows something else.
        SpecificationChanged: it was registered with another specification.
    """
    source = view.batch_source
    if not isinstance(source, LogSource):
        raise FeastOfflineStoreUnsupportedDataSource("OfflineStore", type(source).__name__)
    return source.entity_of(SPECIFICATION)


def _features(view: FeatureView, references: Sequence[str]) -> Iterator[str]:
    for reference in references:
        name, _, feature = reference.partition(":")
        if name.partition("@")[0] == view.projection.name_to_use().partition("@")[0]:
            yield feature


def ask(view: FeatureView, features: Sequence[str], *, full_feature_names: bool) -> Asked:
    """What is asked of one view; raises as :func:`asked_of` does."""
    prefix = f"{view.projection.name_to_use()}__" if full_feature_names else ""
    columns = tuple(f"{prefix}{name}" for name in features)
    return Asked(entity_of(view), tuple(features), columns, dict(view.projection.join_key_map))
