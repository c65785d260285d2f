"""Settings in a file: read as they would be typed, mistakes told with where they were set."""

import json
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


@pytest.mark.parametrize(
    ("command", "setting"),
    [
        (RUN, "margin = 7"),
        (RUN, "nudge-cost = -1"),
        (RUN, "bought-anyway = 1"),
        (RUN, "bought-anyway = false"),
        (RUN, "seed = true"),
        (RUN, "seed = 1979-05-27"),
        (("store", "info"), "store-url = 'states.db'"),
        (("replay", "log.csv"), "speed = 0"),
        (("demo",), "speed = 'fast'"),
    ],
)
def test_a_value_in_the_file_that_cannot_be_is_told_with_file_and_key(
    cartwise: Commands, command: tuple[str, ...], setting: str
) -> None:
    Path("cartwise.toml").write_text(setting)
    told = cartwise(*command)
    assert told.code == 2
    assert f"'{setting.partition(' ')[0]}' in cartwise.toml" in told.err


@pytest.mark.parametrize("text", ["seed = ", "a = " + "[" * 5000, "\0"])
def test_a_file_that_is_no_settings_is_told_as_such(cartwise: Commands, text: str) -> None:
    Path("cartwise.toml").write_text(text)
    told = cartwise("simulate", "--out", "raw")
    assert told.code == 1
    assert told.err.startswith("cartwise: the settings file cartwise.toml is not TOML: ")
    assert told.err.count("\n") == 1


def test_a_file_with_a_byte_order_mark_and_a_date_is_read(cartwise: Commands) -> None:
    text = "[simulate]\nsessions = 20\nstart = 2020-02-01\njson = true"
    Path("cartwise.toml").write_text(text, encoding="utf-8-sig")
    told = cartwise("simulate", "--out", "raw")
    assert json.loads(told.out)["events"] > 0
    assert Path("raw/events-2020-02-01.csv").exists()


def test_a_date_with_a_time_is_taken_as_it_is_typed(cartwise: Commands) -> None:
    Path("cartwise.toml").write_text("[store.dump]\nat = 2019-11-08T12:00:00\n")
    told = cartwise("store", "dump", "--out", "states", "--store-url", "sqlite:///none.db")
    assert "none.db" in told.err
    assert "does not match" not in told.err


@pytest.mark.parametrize("table", ["features", "store.info"])
def test_a_list_of_tables_is_refused(cartwise: Commands, table: str) -> None:
    Path("cartwise.toml").write_text(f"[[{table}]]\njson = true\n")
    told = cartwise("store", "info")
    assert told.code == 1
    assert f"cartwise.toml has '{table.rpartition('.')[2]}' as a list of tables" in told.err


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
        ("out = ''", "'out' to nothing: give it a value"),
        ("[run]\nout = ''", "'out' to nothing: give it a value"),
        ("[replay]\nseed = 1", "'seed' for 'replay', which does not take it; these do: "),
    ],
)
def test_what_the_file_cannot_set_is_told_with_what_was_meant(
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
