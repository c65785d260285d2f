import subprocess
import sys
from pathlib import Path

import pytest

from cartwise.errors import ApiError, OutputError
from cartwise.live_demo import wait_for


def refused() -> None:
    raise ApiError("another server has this port, and does not know the key")


def test_a_child_that_ends_is_not_waited_for_although_somebody_answers_at_its_port() -> None:
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(OutputError, match="says why"):
        wait_for(refused, child, Path("api.log"))
