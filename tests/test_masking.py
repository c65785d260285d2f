import pytest

from cartwise.errors import InputError, OutputError
from cartwise.features.catalogue import SPECIFICATION
from cartwise.masking import masked
from cartwise.model.mlflow_store import Tracking, opened
from cartwise.store import open_store


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:se@cret@host:80/path is away", "http://***@host:80/path is away"),
        ("redis://:secret@host/0, redis://host/1", "redis://***@host/0, redis://host/1"),
        ("https://token@host", "https://***@host"),
        ("http://host/@path and models:/name@alias", "http://host/@path and models:/name@alias"),
        ("sqlite:////tmp/a@b.db", "sqlite:////tmp/a@b.db"),
    ],
)
def test_addresses_lose_their_account_and_nothing_else(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_an_error_of_mlflow_does_not_tell_its_password() -> None:
    place = Tracking("http://user:secret@mlflow:5000")
    with (
        pytest.raises(OutputError) as caught,
        opened(place, OutputError, "'{uri}' is away ({reason})"),
    ):
        raise ConnectionError(f"API request to {place.uri}/api failed")
    assert str(caught.value) == (
        "'http://***@mlflow:5000' is away (API request to http://***@mlflow:5000/api failed)"
    )


def test_a_mistyped_address_of_a_store_does_not_tell_its_password() -> None:
    with pytest.raises(InputError) as caught:
        open_store("redi://:secret@host/0", SPECIFICATION)
    assert "secret" not in str(caught.value)
