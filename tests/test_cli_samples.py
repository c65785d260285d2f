"""``cartwise run`` on the real samples, which hold few carts."""

import json
from pathlib import Path

import pytest

from tests.commands import Commands
from tests.samples import sample

REES46 = "rees46-2019-10-01-head.csv"
COSMETICS = "cosmetics-2019-q4-heads.csv"


@pytest.mark.parametrize("name", [REES46, COSMETICS])
def test_run_ends_well_on_real_samples_and_says_that_carts_are_few(
    cartwise: Commands, name: str
) -> None:
    told = cartwise("run", sample(name), "--horizon", "30m", "--out", "out")
    assert told.code == 0, told.err
    assert "Few carts" in told.out
    assert "few carts" in Path("out/report.html").read_text().lower()
    metrics = json.loads(Path("out/metrics.json").read_text())
    assert metrics["small_sample"]
    assert {path.name for path in Path("out").iterdir()} == {
        "events",
        "training",
        "model",
        "metrics.json",
        "report.html",
    }
    assert Path("mlruns/mlflow.db").exists()


def test_run_explains_a_horizon_that_is_longer_than_the_log(cartwise: Commands) -> None:
    told = cartwise("run", sample(REES46), "--out", "out", "-q")
    assert told.code == 1
    assert told.err.count("\n") == 1
    for fact in ("2 h 50 min", "24 h", "127 carts", "with --horizon 5m, 86 of 127 can be used"):
        assert fact in told.err
    assert not Path("out/training").exists()
    told = cartwise("run", sample(REES46), "--out", "out", "-q", "--no-track", "--horizon", "5m")
    assert told.code == 0, told.err
