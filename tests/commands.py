"""The command line in this process: arguments in; exit code, standard output and error out."""

import os
import sys
from dataclasses import dataclass

import pytest

from cartwise.cli import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


class Commands:
    """Runs commands as a shell would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Outcome:
        code = _code_of(self._monkeypatch, arguments)
        captured = self._capsys.readouterr()
        return Outcome(code, captured.out, captured.err)


def succeed(*arguments: object) -> None:
    """Run a command for a fixture that many tests share; it has to end well."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        forget_settings(monkeypatch)
        assert _code_of(monkeypatch, arguments) == 0, arguments


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every setting of Cartwise and MLflow out of the environment."""
    for name in os.environ.keys() - without_settings().keys():
        monkeypatch.delenv(name)


def without_settings() -> dict[str, str]:
    """The environment without the settings of Cartwise and MLflow, for processes of their own."""
    ours = ("CARTWISE_", "MLFLOW_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _code_of(monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...]) -> int:
    monkeypatch.setattr(sys, "argv", ["cartwise", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        main()
    code = exit_.value.code
    return code if isinstance(code, int) else 0
