"""Champion and challenger: found, checked in the background, and swapped between two requests."""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cartwise.errors import BundleError, CartwiseError
from cartwise.model.bundle import BOOSTER, CHECKSUMS, Bundle, require_bundle
from cartwise.model.explanation import Explainer
from cartwise.plain_files import read_bytes

Role = Literal["champion", "challenger"]

LARGEST_DIFFERENCE: Final = 1e-5
"""Log-odds by which ONNX Runtime and XGBoost may differ on one vector."""

_HISTORY: Final = 50


class ModelSource(Protocol):
    """Where a model comes from."""

    def locate(self) -> Path | None:
        """The local folder of the bundle of the moment; None where there is to be no model.

        May take long. Raises CartwiseError where it cannot be had now.
        """
        ...

    def kept(self) -> Path | None:
        """The folder that was located last, if it is kept for the time when nothing can be."""
        ...


class Folder:
    """A bundle in a folder, that somebody may replace."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def locate(self) -> Path:
        return self._path

    def kept(self) -> None:
        """The folder itself is all there is."""

    def __str__(self) -> str:
        return str(self._path)


@dataclass(frozen=True)
class Model:
    """A bundle that was checked, and that has scored already."""

    bundle: Bundle
    explainer: Explainer
    checksums: bytes
    source: str
    since: datetime

    @property
    def version(self) -> str:
        return self._version

    def __post_init__(self) -> None:
        # Read by every request, and a hash of the whole bundle.
        object.__setattr__(self, "_version", self.bundle.version)

    _version: str = ""


class Pair(NamedTuple):
    """What answers, and what is tried beside it. A request uses one pair from start to end."""

    champion: Model
    challenger: Model | None


class Change(NamedTuple):
    """Something that happened to a model."""

    at: datetime
    role: Role
    version: str | None
    what: str


class Models:
    """The models of a server. ``refresh`` may be called from any thread, readers never wait."""

    def __init__(
        self,
        fingerprint: str,
        champion: ModelSource,
        challenger: ModelSource | None = None,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._sources: dict[Role, ModelSource] = {"champion": champion}
        if challenger is not None:
            self._sources["challenger"] = challenger
        self._fingerprint = fingerprint
        self._now = now
        self._models: dict[Role, Model] = {}
        self._refused: dict[Role, str] = {}
        self._refreshing = threading.Lock()
        self.pair: Pair | None = None
        self.history: deque[Change] = deque(maxlen=_HISTORY)

    @property
    def trouble(self) -> dict[Role, str]:
        """Why the models of the moment are not those that they should be."""
        return dict(self._refused)

    @property
    def looking(self) -> bool:
        """Whether a look for newer models is under way."""
        return self._refreshing.locked()

    def refresh(self) -> None:
        """Look for newer models; what is no good is refused, and the one before stays."""
        with self._refreshing:
            for role in self._sources:
                self._refresh(role)
            if champion := self._models.get("champion"):
                self.pair = Pair(champion, self._beside(champion))

    def _beside(self, champion: Model) -> Model | None:
        """The challenger; none once it is the champion, whose scores are logged already."""
        model = self._models.get("challenger")
        return None if model is None or model.version == champion.version else model

    def _refresh(self, role: Role) -> None:
        source = self._sources[role]
        try:
            self._replace(role, source.locate())
        except CartwiseError as error:
            self._refuse(role, str(error))
            if role not in self._models and (kept := source.kept()):
                self._replace_with_kept(role, kept)
        else:
            self._refused.pop(role, None)

    def _replace_with_kept(self, role: Role, folder: Path) -> None:
        with suppress(CartwiseError):
            self._replace(role, folder)

    def _replace(self, role: Role, folder: Path | None) -> None:
        loaded = self._models.get(role)
        if folder is None:
            if loaded:
                del self._models[role]
                self._note(role, None, "withdrawn")
            return
        checksums = _checksums(folder)
        if loaded is None or loaded.checksums != checksums:
            model = load(folder, self._fingerprint, str(self._sources[role]), self._now())
            self._models[role] = model
            self._note(role, model.version, "loaded")

    def _refuse(self, role: Role, reason: str) -> None:
        if self._refused.get(role) != reason:
            self._note(role, None, f"refused: {reason}")
        self._refused[role] = reason

    def _note(self, role: Role, version: str | None, what: str) -> None:
        self.history.appendleft(Change(self._now(), role, version, what))


def load(folder: Path, fingerprint: str, source: str, at: datetime) -> Model:
    """Load a bundle, check it and let it score.

    Raises:
        BundleError: it is altered, incomplete or unreadable, or its two models disagree.
        FingerprintMismatch: it was trained with another feature specification.
    """
    checksums = _checksums(folder)
    bundle = Bundle.load(folder)
    bundle.require_fingerprint(fingerprint)
    try:
        explainer = Explainer(bundle.files[BOOSTER], bundle.spec.feature_names, threads=1)
        _require_sound(folder, bundle, explainer)
    except BundleError:
        raise
    except Exception as error:  # whatever a foreign file makes XGBoost or ONNX Runtime raise
        reason = str(error).strip().partition("\n")[0]
        raise BundleError(f"the models in '{folder}' cannot be used: {reason}") from error
    return Model(bundle, explainer, checksums, source, at)


def _checksums(folder: Path) -> bytes:
    try:
        require_bundle(folder)
        return read_bytes(folder / CHECKSUMS)
    except OSError as error:
        raise BundleError(f"'{folder}' is no bundle: {CHECKSUMS}: {error.strerror}") from error


def _require_sound(folder: Path, bundle: Bundle, explainer: Explainer) -> None:
    vectors = _trial_vectors(len(bundle.spec.feature_names))
    margins = np.concatenate([bundle.margin(vector[None, :]) for vector in vectors])
    farthest = float(np.abs(margins - explainer.margin(vectors)).max())
    if not farthest <= LARGEST_DIFFERENCE:
        raise BundleError(f"the two models in '{folder}' disagree, by {farthest:.1e} log-odds")
    probability = bundle.score(vectors)
    if not np.all((probability >= 0) & (probability <= 1)):
        raise BundleError(f"the model in '{folder}' gives what is no probability")


def _trial_vectors(features: int) -> NDArray[np.float32]:
    """Vectors of all magnitudes, half of their values missing: (64, features)."""
    random = np.random.default_rng(0)
    shape = (64, features)
    values = random.normal(size=shape) * 10.0 ** random.integers(-2, 6, shape)
    return np.where(random.random(shape) < 0.5, np.nan, values).astype(np.float32)
