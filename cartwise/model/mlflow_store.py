"""MLflow as everything here reaches it: imported late, without telemetry, its errors translated.

MLflow is imported by this module alone, and only when it is used: that takes seconds.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from typing import Any, Final

from cartwise.errors import CartwiseError, OutputError
from cartwise.folders import locked
from cartwise.masking import masked
from cartwise.unasked import unasked

EXPERIMENT: Final = "cartwise"
TRACKING_URI: Final = "MLFLOW_TRACKING_URI"

# Each may be set otherwise in the environment, but for telemetry.
_MANNERS: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # The standard output belongs to the command line and its --json.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

_LOG_LEVELS: Final = {
    "mlflow": logging.WARNING,
    "alembic": logging.WARNING,
    # It warns that there is no pip, which an environment of uv has not.
    "mlflow.utils.environment": logging.ERROR,
}

_IMPATIENCE: Final = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
"""For what is asked while nothing is done yet, or is asked again soon."""

_LONGEST_REASON: Final = 200

_PATIENCE_SECONDS: Final = 60.0
"""For another process that makes the tables, which takes seconds."""

_UNREACHABLE: Final = (
    "MLflow at '{uri}' could not be asked, so the run could not be tracked ({reason}): start it, "
    f"set {TRACKING_URI} to another one, or do not track (--no-track)"
)


@dataclass(frozen=True)
class Tracking:
    """Where runs and models are kept: a store or server of MLflow, or a SQLite file in a folder."""

    uri: str | None = None
    folder: Path = Path("mlruns")

    @property
    def address(self) -> str:
        """The address as MLflow takes it."""
        return self.uri or f"sqlite:///{self.folder.resolve() / 'mlflow.db'}"


@contextmanager
def opened(place: Tracking, refusal: type[CartwiseError], sentence: str) -> Iterator[Any]:
    """MLflow, pointed at ``place`` for a while.

    Whatever a store, a server or the network makes MLflow raise becomes a ``refusal`` that says
    ``sentence``, with ``{uri}`` and ``{reason}`` filled in and no password. The environment stays
    as it was.
    """
    try:
        with warnings.catch_warnings():
            # MLflow's own, about what it and its libraries will change: nothing to do here.
            warnings.simplefilter("ignore")
            with _pointed_at(place.address) as mlflow:
                if place.uri is None:
                    with _alone(place):
                        # Makes the tables, of which two at once make none that works.
                        mlflow.get_experiment_by_name(EXPERIMENT)
                yield mlflow
    except CartwiseError:
        raise
    except Exception as error:
        told = sentence.format(uri=place.address, reason=_reason(error))
        raise refusal(masked(told)) from error


def _alone(place: Tracking) -> AbstractContextManager[None]:
    """For what only one process at a time may do in a folder of our own."""
    return nullcontext() if place.uri else locked(place.folder, "run", _PATIENCE_SECONDS)


def require_reachable(place: Tracking) -> None:
    """Raise OutputError where runs could not be kept: asked before work that takes long.

    Nothing is made in a folder of our own.
    """
    if place.uri is None:
        _require_writable(place.folder)
        return
    with impatient(), opened(place, OutputError, _UNREACHABLE) as mlflow:
        mlflow.get_experiment_by_name(EXPERIMENT)


def _require_writable(folder: Path) -> None:
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(
            f"'{above}' is no folder that may be written, so the run could not be tracked in "
            f"{folder}: set {TRACKING_URI}, or do not track (--no-track)"
        )


@contextmanager
def impatient() -> Iterator[None]:
    """For a while, a server that does not answer is not waited for."""
    before = {name: os.environ.get(name) for name in _IMPATIENCE}
    os.environ.update(_IMPATIENCE)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _reason(error: BaseException) -> str:
    """What the system says where that is behind an error; the libraries' own words are long."""
    root, seen = error, {id(error)}
    while (cause := _behind(root)) and id(cause) not in seen:
        root = cause
        seen.add(id(root))
    if isinstance(root, OSError) and root.strerror:
        return root.strerror
    return shorten(str(error).strip().partition("\n")[0] or type(error).__name__, _LONGEST_REASON)


def _behind(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@contextmanager
def _pointed_at(address: str) -> Iterator[Any]:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, value in _MANNERS.items():
        os.environ.setdefault(name, value)
    mlflow = import_module("mlflow")
    # Here, Feast would add what does nothing in a process that does not use Feast, and be loaded
    # for it: four seconds.
    with unasked("feast"):
        import_module("mlflow.tracking.request_header.registry")
    for chatty, level in _LOG_LEVELS.items():
        logging.getLogger(chatty).setLevel(level)
    given = os.environ.get(TRACKING_URI)
    mlflow.set_tracking_uri(address)
    try:
        yield mlflow
    finally:
        # MLflow writes the variable too: what the caller has set is put back.
        mlflow.set_tracking_uri(None)
        if given is not None:
            os.environ[TRACKING_URI] = given


def experiment_id(mlflow: Any, place: Tracking) -> str:
    """The experiment's id; a local one keeps its artifacts in its folder, not where it runs."""
    with _alone(place):
        known = mlflow.get_experiment_by_name(EXPERIMENT)
        if known is not None:
            return str(known.experiment_id)
        artifacts = None if place.uri else (place.folder.resolve() / "artifacts").as_uri()
        return str(mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts))
