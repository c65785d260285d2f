"""The log of events as Feast's data source of one entity's features."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from feast import RepoConfig, ValueType
from feast.data_source import DataSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.type_map import pa_to_feast_value_type

from cartwise.feast.errors import SpecificationChanged
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.spec import Entity, Specification

TIMESTAMP: Final = "event_timestamp"


class LogSource(DataSource):
    """What the log tells of one entity; where the log lies, the offline store's settings say.

    Args:
        entity: name of the entity in the specification.
        fingerprint: that of the specification by which the features were registered.
    """

    def __init__(self, *, entity: str, fingerprint: str, owner: str = "") -> None:
        self.entity = entity
        self.fingerprint = fingerprint
        super().__init__(
            name=f"log_of_{entity}",
            timestamp_field=TIMESTAMP,
            description=f"the log of events, as states of the entity '{entity}'",
            owner=owner,
        )

    def __hash__(self) -> int:
        return hash((self.name, self.fingerprint))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, LogSource)
            and super().__eq__(other)
            and self.fingerprint == other.fingerprint
        )

    def source_type(self) -> Any:
        return DataSourceProto.CUSTOM_SOURCE

    @staticmethod
    def from_proto(data_source: DataSourceProto) -> "LogSource":
        """Read it from a registry."""
        options = json.loads(data_source.custom_options.configuration)
        return LogSource(
            entity=options["entity"], fingerprint=options["fingerprint"], owner=data_source.owner
        )

    def _to_proto_impl(self) -> DataSourceProto:
        options = json.dumps({"entity": self.entity, "fingerprint": self.fingerprint})
        return DataSourceProto(
            name=self.name,
            type=DataSourceProto.CUSTOM_SOURCE,
            data_source_class_type=f"{LogSource.__module__}.{LogSource.__name__}",
            custom_options=DataSourceProto.CustomSourceOptions(configuration=options.encode()),
            timestamp_field=self.timestamp_field,
            description=self.description,
            owner=self.owner,
        )

    def validate(self, config: RepoConfig) -> None:
        """Refuse features that were registered by another specification."""
        self.entity_of(SPECIFICATION)

    def entity_of(self, specification: Specification) -> Entity:
        """The entity whose features these are.

        Raises:
            SpecificationChanged: they were registered with another specification.
        """
        if self.fingerprint != specification.fingerprint:
            raise SpecificationChanged(
                f"the features in the registry were made with the specification "
                f"{self.fingerprint}, this version of Cartwise has {specification.fingerprint}: "
                "run 'feast apply' and build states and models anew"
            )
        return specification.entity(self.entity)

    @staticmethod
    def source_datatype_to_feast_value_type() -> Callable[[str], ValueType]:
        convert: Callable[[str], ValueType] = pa_to_feast_value_type
        return convert

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[tuple[str, str]]:
        """Names and types of the readings of its entity."""
        readings = self.entity_of(SPECIFICATION).readings()
        return [(TIMESTAMP, "timestamp[us, tz=UTC]"), *((name, "double") for name in readings)]
