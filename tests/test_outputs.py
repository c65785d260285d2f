"""What is written to an output that takes nothing for a while."""

import sys
from io import StringIO

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
