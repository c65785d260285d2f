"""What is written to an output that takes nothing for a while."""

import shlex
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from cartwise.outputs import unfailing_stderr


class Moody(StringIO):
    """An output that takes something only at times."""

    is_full = True

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_what_comes_when_there_is_room_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    output = Moody()
    monkeypatch.setattr(sys, "stderr", output)
    with unfailing_stderr():
        sys.stderr.write("half done\n")
        output.is_full = False
        sys.stderr.write("failed\n")
    assert sys.stderr is output
    assert output.getvalue() == "failed\n"


def test_no_file_gets_the_number_of_an_output_that_is_closed(tmp_path: Path) -> None:
    program = "import os, sys; from cartwise.outputs import prepare; prepare(); " + (
        "sys.stderr.write(str(os.open('file', os.O_CREAT | os.O_WRONLY)))"
    )
    command = f"{shlex.join([sys.executable, '-c', program])} 0<&- 1>&-"
    told = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=True)
    assert int(told.stderr) > 2
