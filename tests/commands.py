"""The command line in this process: arguments in; exit code, standard output and error out."""

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
        self._monkeypatch.setattr(sys, "argv", ["cartwise", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = self._capsys.readouterr()
        code = exit_.value.code
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)
