"""What docs/api.md says is run."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cartwise.serving.guard import OPEN
from tests.serving.processes import serving
from tests.serving.worlds import make_world, write_model

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"<!-- tested: {kind} -->\n```sh\n(.*?)```", TEXT, re.DOTALL)


def test_every_curl_of_the_guide_is_answered(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    examples = blocks("curl")
    assert sum(one.count("curl --") for one in examples) == TEXT.count("curl --fail") > 5
    write_model(tmp_path / "model")
    with serving(tmp_path, "--model", "model", "--embedded") as server:
        key = server.headers["Authorization"].removeprefix("Bearer ")
        variables = {"CARTWISE_API": server.address, "CARTWISE_KEY": key}
        for example in examples:
            ran = subprocess.run(
                ["sh", "-ec", example],
                env={**os.environ, **variables},
                capture_output=True,
                check=False,
            )
            assert ran.returncode == 0, (example, ran.stdout)


def test_every_route_is_in_the_guide(tmp_path: Path) -> None:
    app = make_world(write_model(tmp_path / "model")).app
    told = set(re.findall(r"/[\w./-]+", TEXT))
    assert set(app.openapi()["paths"]) | OPEN <= told
