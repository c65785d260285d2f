import json
from pathlib import Path

import pytest

from cartwise.errors import InputError
from cartwise.serving.keys import Keyring, Scope
from cartwise.serving.upkeep import KeyFile
from tests.commands import Commands
from tests.serving.worlds import NOW


def made(cartwise: Commands, name: str, *scopes: str) -> str:
    options = [part for scope in scopes for part in ("--scope", scope)]
    return str(json.loads(cartwise("keys", "create", name, *options, "--json").out)["key"])


def test_a_made_key_opens_its_scopes(cartwise: Commands) -> None:
    text = made(cartwise, "shop", "score", "events")
    key = Keyring.read(Path("keys.json")).find(text)
    assert key is not None
    assert (key.name, key.scopes) == ("shop", {Scope.SCORE, Scope.EVENTS})


def test_the_file_holds_no_key_and_is_only_its_owners(cartwise: Commands) -> None:
    text = made(cartwise, "shop", "score")
    file = Path("keys.json")
    assert text.split("_", 2)[2] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_list_shows_nothing_that_opens(cartwise: Commands) -> None:
    text = made(cartwise, "shop", "score")
    listed = cartwise("keys", "list", "--json").out
    (key,) = json.loads(listed)["keys"]
    assert key["name"] == "shop"
    assert "sha256" not in key
    assert text.split("_", 2)[2] not in listed + cartwise("keys", "list").out


def test_a_revoked_key_is_listed_and_opens_nothing(cartwise: Commands) -> None:
    text = made(cartwise, "shop", "score")
    other = made(cartwise, "page", "read")
    assert cartwise("keys", "revoke", text.split("_")[1]).code == 0
    ring = Keyring.read(Path("keys.json"))
    assert ring.find(text) is None
    assert ring.find(other) is not None
    assert "shop" in cartwise("keys", "list").out


def test_an_unknown_key_cannot_be_revoked(cartwise: Commands) -> None:
    outcome = cartwise("keys", "revoke", "0123")
    assert (outcome.code, "there is no key '0123'" in outcome.err) == (1, True)


def test_every_key_is_another_one() -> None:
    ring, texts = Keyring(), set()
    for _ in range(200):
        ring, text = ring.with_new("shop", [Scope.SCORE], NOW)
        texts.add(text.split("_", 2)[2])
    assert len(texts) == 200
    assert min(map(len, texts)) >= 43


def test_a_damaged_file_of_keys_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"keys": [{"id": "1"}]}')
    with pytest.raises(InputError, match="cannot be read"):
        Keyring.read(tmp_path / "keys.json")


def test_a_changed_file_is_read_again_and_a_damaged_one_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    keys = KeyFile(file)
    keys.reload()
    assert not keys.keyring.opens
    ring, text = Keyring().with_new("shop", [Scope.SCORE], NOW)
    ring.write(file)
    keys.reload()
    assert keys.keyring.find(text)
    file.write_text("nonsense")
    with pytest.raises(InputError):
        keys.reload()
    assert keys.keyring.find(text)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])  # noqa: S104 - what is refused
def test_no_server_for_everybody_starts_without_keys(cartwise: Commands, host: str) -> None:
    refused = cartwise("serve", "--no-auth", "--host", host)
    assert (refused.code, "--no-auth would let everybody in" in refused.err) == (1, True)


def test_no_server_starts_where_no_key_is_valid(cartwise: Commands) -> None:
    text = made(cartwise, "shop", "score")
    cartwise("keys", "revoke", text.split("_")[1])
    refused = cartwise("serve")
    assert (refused.code, "there is no valid key" in refused.err) == (1, True)


def test_no_server_starts_with_a_folder_that_is_no_model(cartwise: Commands) -> None:
    made(cartwise, "shop", "score")
    refused = cartwise("serve", "--model", "nowhere")
    assert (refused.code, "there is no bundle 'nowhere': train one" in refused.err) == (1, True)
