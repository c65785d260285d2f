from pathlib import Path

import pytest

from tests.serving.worlds import World, make_world, write_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle. Not to be changed."""
    return write_model(tmp_path_factory.mktemp("models") / "one")


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another bundle. Not to be changed."""
    return write_model(tmp_path_factory.mktemp("models") / "other", seed=1)


@pytest.fixture
def world(model: Path) -> World:
    return make_world(model)
