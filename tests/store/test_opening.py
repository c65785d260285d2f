"""A store's address says what it is."""

import subprocess
import sys

import pytest

from cartwise.errors import InputError
from cartwise.features.catalogue import SPECIFICATION
from cartwise.store import open_async_store, open_store


@pytest.mark.parametrize("url", ["", "states.db", "sqlite:///", "redis:/x", "http://localhost"])
def test_another_address_is_refused(url: str) -> None:
    for open_it in (open_store, open_async_store):
        with pytest.raises(InputError, match="no address of a store"):
            open_it(url, SPECIFICATION)


def test_without_its_client_redis_names_the_extra() -> None:
    program = """
import sys
sys.modules["redis"] = None
from cartwise.errors import MissingExtra
from cartwise.features.catalogue import SPECIFICATION
from cartwise.store import open_async_store, open_store
for open_it in (open_store, open_async_store):
    try:
        open_it("redis://localhost", SPECIFICATION)
    except MissingExtra as error:
        print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.count("make extra NAME=stream") == 2
