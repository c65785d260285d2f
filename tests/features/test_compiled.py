"""The cache of compiled code follows every source file of the core."""

import shutil
import subprocess
import sys
from pathlib import Path

import cartwise

PROGRAM = """
import numpy as np
from cartwise.features.walk import write_facts
values = np.zeros((1, 3), dtype=np.float32)
write_facts(np.array([3600]), np.array([1.5]), values)
print(values[0, 1])
"""


def hour_by(package: Path) -> str:
    command = [sys.executable, "-c", PROGRAM]
    # Python's own cache looks at the second of a change, and here that is the same.
    environment = {"PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        command, cwd=package.parent, env=environment, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


def test_a_change_in_the_kernel_reaches_what_it_is_compiled_into(tmp_path: Path) -> None:
    package = tmp_path / "cartwise"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(cartwise.__file__).parent, package, ignore=ignored)
    assert hour_by(package) == "1.0"
    kernel = package / "features" / "kernel.py"
    kernel.write_text(kernel.read_text().replace("/ 3600.0", "/ 1800.0"))
    assert hour_by(package) == "2.0"
