import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cartwise.errors import ApiError, OutputError
from cartwise.live_demo import Ports, wait_for


def refused() -> None:
    raise ApiError("another server has this port, and does not know the key")


def test_a_child_that_ends_is_not_waited_for_although_somebody_answers_at_its_port() -> None:
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(OutputError, match="says why"):
        wait_for(refused, child, Path("api.log"))


def test_a_port_that_is_taken_is_told_before_any_work_is_done() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OutputError) as told:
        Ports(api=taken.getsockname()[1]).require_free()
    assert "--api-port" in str(told.value)
    Ports(api=_free(), page=_free()).require_free()


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
