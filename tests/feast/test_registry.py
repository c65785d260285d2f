"""What lies in the registry is data: generated from the specification, and nothing that runs."""

import pickle
import pickletools
import re
from pathlib import Path

import pytest
from feast import FeatureStore
from feast.errors import FeastError

from cartwise.errors import InputError
from cartwise.events import EVENT_SCHEMA
from cartwise.feast.repository import feature_service, open_repository
from cartwise.features.catalogue import SPECIFICATION
from tests.feast.worlds import SERVICE, feature_store

REPOSITORY = Path(__file__).parents[2] / "feature_repo"
CODE = re.compile(rb"def |lambda|import |exec|eval\(|__reduce__|cloudpickle|dill")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return feature_store(tmp_path_factory.mktemp("world"), Path("lake"))


def test_every_entity_is_a_view_with_all_its_readings(store: FeatureStore) -> None:
    views = {view.name: view for view in store.list_feature_views()}
    assert set(views) == {entity.name for entity in SPECIFICATION.entities}
    for entity in SPECIFICATION.entities:
        names = [field.name for field in views[entity.name].features]
        assert names[: len(list(entity.readings()))] == list(entity.readings())
        assert views[entity.name].ttl.total_seconds() == entity.time_to_live_seconds
        assert views[entity.name].tags["fingerprint"] == SPECIFICATION.fingerprint


def test_every_key_column_is_an_entity(store: FeatureStore) -> None:
    names = {name for entity in SPECIFICATION.entities for name in entity.key}
    assert {entity.name for entity in store.list_entities()} >= names
    assert names <= set(EVENT_SCHEMA)


def test_the_service_has_all_that_vectors_are_made_of(store: FeatureStore) -> None:
    service = store.get_feature_service(SERVICE)
    names = [f.name for p in service.feature_view_projections for f in p.features]
    assert names == [name for entity in SPECIFICATION.entities for name in entity.readings()]


def test_every_feature_says_what_it_means_and_reads_as_by_default(store: FeatureStore) -> None:
    for view in store.list_feature_views():
        assert view.owner
        for field in view.features:
            assert field.description
    ages = store.get_feature_view("user")
    tags = {field.name: field.tags for field in ages.features}
    assert tags["user_cart_7d"] == {"default": "0", "half_life": "7d", "owner": "data-science"}
    assert tags["user_cart_seconds_ago"]["default"] == "missing"


def test_the_registry_holds_nothing_that_can_be_executed(store: FeatureStore) -> None:
    registry = Path(store.config.registry.path).read_bytes()
    assert len(registry) > 10_000
    assert CODE.findall(registry) == []
    assert list(pickles_in(registry)) == []
    assert store.list_on_demand_feature_views() == []


def test_a_registry_that_is_away_or_empty_is_told_in_terms_of_feast(tmp_path: Path) -> None:
    yaml = (REPOSITORY / "feature_store.yaml").read_text()
    file = tmp_path / "feature_store.yaml"
    away = "{registry_type: sql, path: 'postgresql+psycopg://user:secret@127.0.0.1:1/none'}"
    file.write_text(yaml.replace("data/registry.db", away))
    with pytest.raises(FeastError, match="cannot be reached") as told:
        feature_service(open_repository(tmp_path))
    assert isinstance(told.value, InputError)
    assert "secret" not in str(told.value)
    file.write_text(yaml)
    with pytest.raises(FeastError, match="feast apply"):
        feature_service(open_repository(tmp_path))


def test_the_scan_finds_what_it_looks_for() -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        hidden = b"\x0a\x05views" + pickle.dumps({"a": [1]}, protocol) + b"\x12"
        assert list(pickles_in(hidden)) == [7]
    assert CODE.findall(b"\x0adef transform(df): return df")


def pickles_in(content: bytes) -> list[int]:
    """Where a complete pickle begins, of the protocols that begin with a mark."""
    return [
        m.start() for m in re.finditer(rb"\x80[\x02-\x05]", content) if _is(content[m.start() :])
    ]


def _is(content: bytes) -> bool:
    try:
        return bool(list(pickletools.genops(content)))
    except (ValueError, UnicodeDecodeError):
        return False
