"""One row at a time through ONNX Runtime on one thread."""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime as ort

from benchmarks.inference import GRAPH, MARGINS, VECTORS
from cartwise.model.onnx_export import INPUT, OUTPUT


def run(model: Path, out: Path) -> None:
    """Score every row by itself."""
    session, vectors = _loaded(model)
    margins = [session.run([OUTPUT], {INPUT: vector})[0].item() for vector in vectors]
    np.save(out / MARGINS, np.array(margins))


@cache
def _loaded(model: Path) -> tuple[ort.InferenceSession, list[np.ndarray]]:
    # Cached, so that the warm-up loads the model, as a server does before its first answer.
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    vectors = np.load(model / VECTORS)
    return ort.InferenceSession(model / GRAPH, options), [vector[None, :] for vector in vectors]
