"""Opens MLflow's store in the current folder as soon as its standard input ends."""

import sys
from pathlib import Path

import mlflow  # noqa: F401 - imported before the race

from cartwise.errors import OutputError
from cartwise.model.mlflow_store import Tracking, experiment_id, opened

sys.stdout.write("ready\n")
sys.stdout.flush()
sys.stdin.read()
place = Tracking(folder=Path("mlruns"))
with opened(place, OutputError, "{uri} {reason}") as store:
    sys.stdout.write(experiment_id(store, place))
