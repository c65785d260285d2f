"""A library that is installed and not loaded yet, as ``wave`` of the standard library."""

import json
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

from cartwise.unasked import unasked


def test_a_library_that_nobody_asked_for_seems_not_to_be_there_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with unasked("wave"):
        assert find_spec("wave") is None
    with pytest.raises(ImportError), unasked("wave"):
        import_module("wave")
    assert import_module("wave").__name__ == "wave"


def test_a_library_that_is_loaded_stays() -> None:
    with unasked("json"):
        assert import_module("json") is json
    assert sys.modules["json"] is json
