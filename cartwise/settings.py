"""Settings of the command line: a flag wins over an environment variable, that over a file.

The file is ``cartwise.toml`` in the current folder, or the one that ``CARTWISE_CONFIG`` names:
options by their long names, at the top for every command that has them, or below a command's name
(``[run]``, ``[store.dump]``).
"""

import os
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import typer

from cartwise.errors import InputError
from cartwise.listing import Listed
from cartwise.plain_files import read_toml

FILE: Final = Path("cartwise.toml")
FILE_VARIABLE: Final = "CARTWISE_CONFIG"


class Settled(Listed):
    """Commands whose errors name where a wrong value was set, if nobody typed it, and that take no
    empty one: as a path, that would be the current folder."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line."""
        for before, one in pairwise(("", *args)):
            option, equals, value = one.partition("=")
            if not one or (one.startswith("--") and equals and not value):
                name = f"'{option or before}'" if (option or before)[:1] == "-" else "an argument"
                raise typer.BadParameter("it is empty; is a variable not set?", param_hint=name)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            # Pydantic puts this before what Typer says of a choice.
            error.message = error.message.removeprefix("Value error, ")
            error.param_hint = error.param_hint or _source(error)
            raise


def _source(error: typer.BadParameter) -> str | None:
    if error.ctx is None or error.param is None or error.param.name is None:
        return None
    source = error.ctx.get_parameter_source(error.param.name)
    if source and source.name == "ENVIRONMENT":
        return f"'{error.param.envvar}'"
    if source and source.name == "DEFAULT_MAP":
        option = next(name for name in error.param.opts if name.startswith("--"))
        return f"'{option[2:]}' in {settings_file()}"
    return None


def settings_file() -> Path | None:
    """The settings file that is in force, if any."""
    chosen = os.environ.get(FILE_VARIABLE)
    path = Path(chosen) if chosen else FILE
    return path if chosen or path.exists() else None


def file_settings(options: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The file's settings by command and parameter, nested like groups of commands.

    ``options`` tells which options each command ("run", "store dump") takes, and the parameter
    that each of them sets.

    Raises:
        InputError: the named file is missing, is not TOML, or sets what no command takes.
    """
    path = settings_file()
    if path is None:
        return {}
    document = read_toml(path, "the settings file")
    shared = {name: value for name, value in document.items() if not isinstance(value, dict)}
    own = dict(_by_command(path, document))
    for given in (shared, *own.values()):
        _refuse_empty(path, given)
    _refuse_unknown(path, shared, set().union(*options.values()), "no command takes")
    _refuse_unknown(path, own, options, "is no command")
    for command, table in own.items():
        _refuse_what_others_take(path, command, table, options)
        _refuse_unknown(path, table, options[command], f"'{command}' does not take")
    nested: dict[str, Any] = {}
    for command, names in options.items():
        *group, name = command.split()
        place = nested.setdefault(group[0], {}) if group else nested
        place[name] = {
            names[key]: _typed(value) for key, value in _for(command, shared, own, names)
        }
    return nested


def _by_command(
    path: Path, tables: Mapping[str, Any], group: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, table in tables.items():
        if isinstance(table, list) and any(isinstance(one, dict) for one in table):
            raise InputError(
                f"the settings file {path} has '{name}' as a list of tables: "
                "write its name in one pair of brackets, once"
            )
        if isinstance(table, dict):
            plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
            if plain or not table:
                yield group + name, plain
            yield from _by_command(path, table, f"{group}{name} ")


def _for(
    command: str,
    shared: dict[str, Any],
    own: dict[str, dict[str, Any]],
    names: Mapping[str, str],
) -> list[tuple[str, Any]]:
    merged = {name: value for name, value in shared.items() if name in names}
    return [*(merged | own.get(command, {})).items()]


def _typed(value: Any) -> Any:
    """A value as somebody would type it, so that it is taken and refused like one that is."""
    if isinstance(value, list):
        return [_typed(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refuse_empty(path: Path, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if value == "":
            raise InputError(
                f"the settings file {path} sets '{name}' to nothing: give it a value, "
                "or leave it out"
            )


def _refuse_unknown(
    path: Path, given: Mapping[str, Any], known: Collection[str], wrong: str
) -> None:
    for name in given:
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = (
                f"did you mean '{close[0]}'?" if close else f"there are {', '.join(sorted(known))}"
            )
            raise InputError(f"the settings file {path} sets '{name}', which {wrong}: {hint}")


def _refuse_what_others_take(
    path: Path, command: str, given: Mapping[str, Any], options: Mapping[str, Collection[str]]
) -> None:
    for name in given:
        takers = [other for other, names in options.items() if name in names]
        if takers and command not in takers:
            raise InputError(
                f"the settings file {path} sets '{name}' for '{command}', which does not take it; "
                f"these do: {', '.join(takers)}"
            )
