"""What a machine makes of a log, vectors and a bundle, as digests: run by other_machines.

Scores need no Polars, which does not start without AVX2; vectors do.
"""

import hashlib
import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from cartwise.model.calibration import Calibrator

EVENTS, BUNDLE, VECTORS = "events", "bundle", "vectors.npy"
SCORES = ("margins", "probabilities", "one by one")


def main() -> None:
    """Print the digests of what is made of a folder: scores, and vectors if asked for."""
    folder, wanted = Path(sys.argv[1]), sys.argv[2:]
    told = _scores(folder) | (_vectors(folder) if "vectors" in wanted else {})
    print(json.dumps(told))


def vectors_of(training: Path) -> NDArray[np.float32]:
    """Every vector of a training set, in order of its files."""
    examples = import_module("cartwise.model.examples")
    data = examples.TrainingSet.open(training)
    names = list(data.manifest.feature_names)
    found = [
        data.vectors(frame) for part in data.manifest.parts for frame in data.batches(part, names)
    ]
    return np.concatenate(found)


def _scores(folder: Path) -> dict[str, str]:
    vectors, bundle = np.load(folder / VECTORS), folder / BUNDLE
    table = Calibrator.from_json(json.loads((bundle / "calibration.json").read_text()))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession((bundle / "model.onnx").read_bytes(), options)

    def margins(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {"vectors": rows})[0]).reshape(-1)

    alone = [table(margins(row[None, :])) for row in vectors]
    found = (margins(vectors), table(margins(vectors)), np.concatenate(alone))
    return {name: _digest(values) for name, values in zip(SCORES, found, strict=True)}


def _vectors(folder: Path) -> dict[str, str]:
    training_set = import_module("cartwise.data.training_set")
    bundle = import_module("cartwise.model.bundle").Bundle.load(folder / BUNDLE)
    with tempfile.TemporaryDirectory() as scratch:
        training_set.build(folder / EVENTS, Path(scratch) / "training")
        vectors = vectors_of(Path(scratch) / "training")
    return {"vectors": _digest(vectors), "bundle": _digest(bundle.score(np.load(folder / VECTORS)))}


def _digest(values: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    main()
