"""Without Feast, one sentence says what to install."""

import subprocess
import sys

WITHOUT_FEAST = """
import sys
sys.modules["feast"] = None
from cartwise.errors import MissingExtra
try:
    import cartwise.feast
except MissingExtra as error:
    print(error)
"""


def test_a_missing_extra_is_named() -> None:
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_FEAST], capture_output=True, text=True, check=True
    )
    assert "make extra NAME=feast" in told.stdout
