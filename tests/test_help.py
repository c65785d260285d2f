"""What ``--help`` shows on a terminal of any width."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from cartwise.cli import COMMANDS, build_app
from tests.commands import Commands


@pytest.mark.parametrize("width", [60, 80])
def test_nothing_in_a_help_is_cut(
    cartwise: Commands, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    everything = typer.main.get_command(build_app({command.name for command in COMMANDS}))
    for path, command in _below((), everything):
        told = cartwise(*path, "--help")
        assert told.code == 0
        assert _words(*_texts(command)) - _words(told.out) == set(), path
        assert max(map(len, told.out.splitlines())) <= width


def _below(path: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from _below((*path, name), one)


def _texts(command: Any) -> Iterator[str]:
    """All that the help of a command has to say."""
    yield command.help
    for one in command.params:
        yield from (option for option in one.opts if option.startswith("-"))
        yield one.help or ""
    for one in getattr(command, "commands", {}).values():
        yield one.short_help or re.split(r"(?<=\.)\s", one.help)[0]


def _words(*texts: str) -> set[str]:
    return {word for text in texts for word in re.split(r"[\s,-]+", text)}
