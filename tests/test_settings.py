"""Mistakes in settings are told with where they were set."""

from pathlib import Path

import pytest

from tests.commands import Commands

RUN = ("run", "log.csv", "--out", "out", "--no-track")


@pytest.mark.parametrize("key", ["margin", "horizon", "memory"])
@pytest.mark.parametrize("table", ["", "[run]\n"])
def test_a_wrong_value_in_the_file_is_told_with_file_and_key(
    cartwise: Commands, table: str, key: str
) -> None:
    Path("cartwise.toml").write_text(f'{table}{key} = "abc"\n')
    told = cartwise(*RUN)
    assert told.code == 2
    assert f"'{key}' in cartwise.toml" in told.err


@pytest.mark.parametrize("option", ["margin", "horizon", "memory"])
def test_a_wrong_value_in_the_environment_is_told_with_its_variable(
    cartwise: Commands, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv(f"CARTWISE_{option.upper()}", "abc")
    told = cartwise(*RUN)
    assert told.code == 2
    assert f"'CARTWISE_{option.upper()}'" in told.err
    told = cartwise(*RUN, f"--{option}", "xyz")
    assert f"'--{option}'" in told.err
    assert f"CARTWISE_{option.upper()}" not in told.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('horizn = "1h"', "'horizn', which no command takes: did you mean 'horizon'?"),
        ("[runn]\nseed = 1", "'runn', which is no command: did you mean 'run'?"),
        ("[run]\nsed = 1", "'sed', which 'run' does not take: did you mean 'seed'?"),
        ("[replay]\nseed = 1", "'seed' for 'replay', which does not take it; these do: "),
    ],
)
def test_an_unknown_name_in_the_file_is_told_with_what_was_meant(
    cartwise: Commands, text: str, told: str
) -> None:
    Path("cartwise.toml").write_text(text)
    failed = cartwise("ingest", "x", "--out", "out")
    assert failed.code == 1
    assert f"sets {told}" in failed.err


def test_a_name_that_is_like_no_other_is_told_with_all_that_there_are(cartwise: Commands) -> None:
    Path("cartwise.toml").write_text("[keys.list]\nqqqqq = 1\n")
    told = cartwise("ingest", "x", "--out", "out")
    assert "sets 'qqqqq', which 'keys list' does not take: there are json, keys" in told.err
