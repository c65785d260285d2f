"""The bundle: a folder with everything that serving needs of a model, and nothing that executes.

``SHA256SUMS`` (the format of ``sha256sum``) lists every other file. A bundle is loaded only if it
holds exactly those files, unaltered; loading and scoring use no network.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from cartwise import folders
from cartwise.checksums import as_sums
from cartwise.documents import parse_document
from cartwise.errors import BundleError, FingerprintMismatch
from cartwise.model.calibration import Calibrator
from cartwise.model.policy import Policy
from cartwise.parts import MANIFEST
from cartwise.plain_files import read_bytes

BOOSTER: Final = "model.ubj"
GRAPH: Final = "model.onnx"
CALIBRATION: Final = "calibration.json"
SPEC: Final = "spec.json"
POLICY: Final = "policy.json"
METRICS: Final = "metrics.json"
CARD: Final = "MODEL_CARD.md"
CHECKSUMS: Final = "SHA256SUMS"

FILES: Final = (BOOSTER, GRAPH, CALIBRATION, SPEC, POLICY, METRICS, CARD)
"""Every file of a bundle but its checksums."""

INPUT: Final = "vectors"
OUTPUT: Final = "margins"
"""What goes into the graph, and what comes out of it."""

_AGAIN: Final = "take the bundle again from where it was made"

_SCORING_FILES: Final = (GRAPH, CALIBRATION, SPEC)


@dataclass(frozen=True)
class ModelSpec:
    """What a model was made for: its vector, horizon and label."""

    feature_names: tuple[str, ...]
    fingerprint: str
    horizon_seconds: int
    label_scope: str

    def to_json(self) -> dict[str, Any]:
        return {
            "feature_names": list(self.feature_names),
            "fingerprint": self.fingerprint,
            "horizon_seconds": self.horizon_seconds,
            "label_scope": self.label_scope,
        }


class Bundle:
    """A verified bundle in memory, ready to score."""

    def __init__(self, files: Mapping[str, bytes], *, threads: int = 1) -> None:
        self.files = dict(files)
        self.spec = parse_document(files[SPEC], ModelSpec, SPEC, _AGAIN)
        self.policy = Policy.from_json(_facts(files, POLICY))
        self.metrics = _facts(files, METRICS)
        self._calibrator = Calibrator.from_json(_facts(files, CALIBRATION))
        self._session = _session(files[GRAPH], threads)

    @classmethod
    def load(cls, path: Path, *, threads: int = 1) -> Self:
        """Read and verify a bundle; ``threads`` are ONNX Runtime's for one call of ``score``:
        with more than one, the last bits of a score depend on the rows beside it.

        Raises BundleError where a file is altered, missing, unreadable or one too many.
        """
        files = _verified(path)
        try:
            return cls(files, threads=threads)
        except BundleError:
            raise
        except Exception as error:  # whatever a foreign file makes JSON or ONNX Runtime raise
            raise BundleError(f"the bundle '{path}' cannot be read: {error}") from error

    @property
    def version(self) -> str:
        """A name for what this bundle answers: equal for equal scores, 12 hex digits."""
        digest = hashlib.sha256()
        for name in _SCORING_FILES:
            digest.update(hashlib.sha256(self.files[name]).digest())
        return digest.hexdigest()[:12]

    def parameters(self) -> dict[str, Any]:
        """What the model was trained with, by ``group.name``, and what it was asked to learn."""
        trained = {name: fact for name, fact in self.metrics.items() if "." in name}
        asked = {"horizon_seconds": self.spec.horizon_seconds, "label_scope": self.spec.label_scope}
        return trained | asked

    def fact(self, name: str) -> str:
        """What training noted in ``metrics.json``; raises BundleError where it has not."""
        fact = self.metrics.get(name)
        if not isinstance(fact, str):
            raise BundleError(f"the bundle's {METRICS} does not tell '{name}': {_AGAIN}")
        return fact

    def require_fingerprint(self, fingerprint: str) -> None:
        """Raise FingerprintMismatch unless the model was trained with this specification."""
        if fingerprint != self.spec.fingerprint:
            raise FingerprintMismatch(
                f"the model was trained with the feature specification {self.spec.fingerprint}, "
                f"the vectors were made with {fingerprint}: train again, or use the version of "
                "Cartwise that the model was trained with"
            )

    def margin(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-odds (n,) of vectors (n, features) before calibration."""
        outputs = self._session.run([OUTPUT], {INPUT: vectors})
        margins: NDArray[np.float32] = outputs[0]
        return margins.reshape(-1)

    def score(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probabilities (n,) of vectors (n, features); missing is NaN."""
        return self.calibrated(self.margin(vectors))

    def calibrated(self, margin: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probabilities (n,) of log-odds (n,)."""
        return self._calibrator(margin)


def _facts(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    return parse_document(files[name], dict[str, Any], name, _AGAIN)


def _session(graph: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def as_json(facts: Mapping[str, Any]) -> bytes:
    """A JSON object as it stands in bundles: indented, no NaN, a line end at the end."""
    return (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode()


def write_bundle(out: Path, files: Mapping[str, bytes]) -> None:
    """Write a bundle at once: a reader finds the old folder or the whole new one.

    An older bundle at ``out`` is replaced; raises OutputError where anything else is there, or
    where it cannot be written.
    """
    require_free(out)
    with folders.replaced(out) as fresh:
        for name, content in {**files, CHECKSUMS: _checksums(files)}.items():
            (fresh / name).write_bytes(content)


def require_free(out: Path) -> None:
    """Raise PlaceTaken unless ``out`` is absent, or an older bundle or nothing in a folder that can
    be replaced."""
    folders.require_free(out, {*FILES, CHECKSUMS}, "a bundle")
    folders.require_replaceable(out)


def _checksums(files: Mapping[str, bytes]) -> bytes:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return as_sums(digests).encode()


def _verified(path: Path) -> dict[str, bytes]:
    """The files of a bundle, each read once and as its checksum says."""
    try:
        require_bundle(path)
        contents = {entry.name: read_bytes(entry) for entry in sorted(path.iterdir())}
    except OSError as error:
        raise BundleError(f"the bundle '{path}' cannot be read: {error.strerror}") from error
    listed = contents.pop(CHECKSUMS, None)
    _require_exactly(path, {*contents} | ({CHECKSUMS} if listed is not None else set()))
    for line in _checksums(contents).splitlines():
        if line not in (listed or b"").splitlines():
            name = line.split()[-1].decode()
            raise BundleError(
                f"'{path / name}' was altered: it does not have the checksum in {CHECKSUMS}; "
                f"{_AGAIN}"
            )
    return contents


def require_bundle(path: Path) -> None:
    """Raise BundleError where a folder never was a bundle; it tells of one that lies in it."""
    if aside := folders.set_aside(path):
        raise BundleError(
            f"there is no bundle '{path}': whatever replaced it was killed, and it lies in "
            f"'{aside}'; rename that, or run again what was killed"
        )
    if not path.exists():
        raise BundleError(f"there is no bundle '{path}': train one with 'cartwise train'")
    if (path / SPEC).exists() or (path / CHECKSUMS).exists():
        return
    if (path / MANIFEST).exists():
        raise BundleError(
            f"'{path}' is a training set and no bundle: give what 'cartwise train' made of it"
        )
    within = [entry for entry in sorted(path.iterdir()) if (entry / SPEC).is_file()]
    hint = f"; '{within[0]}' is one" if within else ""
    raise BundleError(f"'{path}' is no bundle: it has no {SPEC}{hint}")


def _require_exactly(path: Path, names: set[str]) -> None:
    expected = {*FILES, CHECKSUMS}
    for what, wrong in (("misses", expected - names), ("holds also", names - expected)):
        if wrong:
            raise BundleError(f"'{path}' is not a whole bundle: it {what} '{min(wrong)}'; {_AGAIN}")
