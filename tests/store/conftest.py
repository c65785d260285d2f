"""The stores that the contract is held against."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.places import Place, memory_place, place_at

STORES = ("memory", "sqlite")


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "memory":
        yield memory_place()
    else:
        with place_at(f"sqlite:///{tmp_path / 'states.db'}") as at:
            yield at
