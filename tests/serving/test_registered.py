from pathlib import Path

import pytest

from cartwise.errors import RegistryError
from cartwise.features.catalogue import SPECIFICATION
from cartwise.model.bundle import Bundle
from cartwise.model.mlflow_store import Tracking
from cartwise.model.registry import Registry
from cartwise.serving.models import Models
from cartwise.serving.registered import Registered
from tests.serving.worlds import NOW

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and its libraries

CHAMPION, CHALLENGER = "models:/cartwise@champion", "models:/cartwise@challenger"


def test_an_alias_is_followed_and_what_was_fetched_outlives_the_registry(
    model: Path, other_model: Path, tmp_path: Path, mlruns: Path
) -> None:
    registry = Registry(Tracking(folder=mlruns))
    first, second = registry.register(model), registry.register(other_model)
    cache = tmp_path / "cache"
    beside = Registered(CHALLENGER, registry, cache, optional=True)
    models = Models(
        SPECIFICATION.fingerprint,
        Registered(CHAMPION, registry, cache, optional=False),
        beside,
        now=lambda: NOW,
    )
    seen = []
    for champion, challenger in ((first, None), (second, first), (first, second)):
        registry.set_alias("champion", champion)
        if challenger:
            registry.set_alias("challenger", challenger)
        models.refresh()
        assert not models.trouble
        assert models.pair is not None
        seen.append([one.version if one else None for one in models.pair])
    one, other = (Bundle.load(bundle).version for bundle in (model, other_model))
    assert seen == [[one, None], [other, one], [one, other]]

    numbered = Registered(f"models:/cartwise/{first.number}", registry, cache, optional=True)
    found = numbered.locate()
    assert found is not None
    assert Bundle.load(found).version == one

    (tmp_path / "nowhere").write_text("no folder")
    away = Registry(Tracking(folder=tmp_path / "nowhere"))
    again = Registered(CHAMPION, away, cache, optional=False)
    with pytest.raises(Exception, match="nowhere"):
        again.locate()
    kept = again.kept()
    assert kept is not None
    assert Bundle.load(kept).version == one


def test_what_is_meant_no_more_is_not_kept_and_nothing_else_is_touched(
    model: Path, other_model: Path, tmp_path: Path, mlruns: Path
) -> None:
    registry, cache = Registry(Tracking(folder=mlruns)), tmp_path / "cache"
    first, second = registry.register(model), registry.register(other_model)
    source = Registered(CHAMPION, registry, cache, optional=False)
    registry.set_alias("champion", first)
    before = source.locate()
    (cache / "photos").mkdir()
    registry.set_alias("champion", second)
    after = source.locate()
    assert before
    assert after
    assert {one.name for one in cache.iterdir() if one.is_dir()} == {after.name, "photos"}


def test_an_alias_that_names_nothing_is_an_error_unless_it_may(tmp_path: Path) -> None:
    registry = Registry(Tracking(folder=tmp_path / "mlflow"))
    assert Registered(CHALLENGER, registry, tmp_path, optional=True).locate() is None
    with pytest.raises(RegistryError):
        Registered(CHAMPION, registry, tmp_path, optional=False).locate()
