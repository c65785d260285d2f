"""The registry: versions of the model in MLflow, and which of them are champion and challenger.

A version is registered once per bundle: whoever repeats what was cut off finds what is there. An
alias is one row of the registry, so a promotion is one write: before it the old champion serves,
after it the new one.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from cartwise.errors import BundleError, InputError, RegistryError
from cartwise.folders import replaced
from cartwise.masking import masked
from cartwise.model.bundle import Bundle
from cartwise.model.lineage import lineage
from cartwise.model.mlflow_store import EXPERIMENT, TRACKING_URI, Tracking, opened
from cartwise.model.registry_lock import DEAD_AFTER_SECONDS, Lock, acquire, release
from cartwise.model.tracking import EXTRA_FILES, track

Alias = Literal["champion", "challenger"]

NAME: Final = "cartwise"
_TRIES_TO_RELEASE: Final = 2
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"

REPLACED: Final = "replaced_version"
"""Tag of a version: the champion before it, which a roll-back returns to."""

_SENTENCE: Final = (
    "the model registry at '{uri}' cannot do this now ({reason}); nothing was half done: see that "
    f"the server and its stores are up and that {TRACKING_URI} names it, then run it again"
)


@dataclass(frozen=True)
class Version:
    """A registered model: ``tags`` hold its lineage and what the gate decided."""

    number: int
    run_id: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    created: datetime

    @property
    def model_version(self) -> str:
        """The version of its bundle: equal for equal scores."""
        return self.tags.get("model_version", "")

    @property
    def uri(self) -> str:
        """The address by which MLflow knows it."""
        return f"models:/{NAME}/{self.number}"


class Registry:
    """The registered models of one MLflow; each call reads what is there now.

    Every method raises RegistryError where MLflow cannot be reached or does not know a version.
    """

    def __init__(self, place: Tracking, lock_dead_after: float = DEAD_AFTER_SECONDS) -> None:
        """``lock_dead_after`` seconds a lock is honoured whose holder was killed."""
        self.place = place
        self._lock_dead_after = lock_dead_after

    @contextmanager
    def _client(self) -> Iterator[Any]:
        with opened(self.place, RegistryError, _SENTENCE) as mlflow:
            # By its own address, so that threads and nested blocks do not lead it elsewhere.
            yield mlflow.MlflowClient(self.place.address, self.place.address)

    @contextmanager
    def alone(self) -> Iterator[Lock]:
        """Nobody else makes versions or moves champions while this block of a few seconds runs."""
        with self._client() as client:
            lock = acquire(client, self._lock_dead_after)
        try:
            yield lock
        finally:
            self._let_go(lock)

    def _let_go(self, lock: Lock) -> None:
        # What was to be done is done: a server that is gone by now does not change that. After a
        # refusal it may have cut the connection only; a lock that stays would hold up the next one.
        for _ in range(_TRIES_TO_RELEASE):
            with suppress(RegistryError), self._client() as client:
                release(client, lock)
                return

    def versions(self) -> list[Version]:
        """Every version, the newest first."""
        with self._client() as client:
            return _versions(client)

    def find(self, reference: str) -> Version:
        """The version of an alias, a number or an address like ``models:/cartwise@champion``."""
        wanted = _reference(reference)
        for version in self.versions():
            if wanted in {str(version.number), *version.aliases, version.model_version}:
                return version
        raise RegistryError(
            f"the registry at '{masked(self.place.address)}' has no version '{wanted}': "
            "'cartwise models' shows those that there are"
        )

    def current(self, alias: Alias) -> Version | None:
        """The version that has an alias now, if one has."""
        return next((one for one in self.versions() if alias in one.aliases), None)

    def register(self, model: Path, training: Path | None = None) -> Version:
        """The version of a bundle, made if there is none; its run is tracked if none was.

        ``training`` is the folder of its training set, for the lineage.
        """
        bundle = Bundle.load(model)
        with self._client() as client:
            if known := _of_bundle(client, bundle):
                return known
            logged = _logged_model(client, bundle)
        if logged is None:
            track(model, self.place, training=training)
        with self.alone(), self._client() as client:
            if known := _of_bundle(client, bundle):
                return known
            _create(client, bundle, lineage(bundle, training))
            registered: Version = _require(_of_bundle(client, bundle))
            return registered

    def set_alias(self, alias: Alias, version: Version) -> None:
        """Let an alias name a version, and no longer the one before: one write."""
        with self._client() as client:
            client.set_registered_model_alias(NAME, alias, str(version.number))

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Add tags to a version, in their order."""
        with self._client() as client:
            for name, value in tags.items():
                client.set_model_version_tag(NAME, str(version.number), name, value)

    def attach(self, version: Version, folder: str, texts: Mapping[str, str]) -> None:
        """Put texts beside a version, as artifacts of its run, by file name."""
        with self._client() as client:
            for name, text in texts.items():
                client.log_text(version.run_id, text, f"{folder}/{name}")

    def attached(self, version: Version, path: str) -> str:
        """A text that :meth:`attach` put beside a version."""
        with opened(self.place, RegistryError, _SENTENCE) as mlflow:
            return str(mlflow.artifacts.load_text(f"runs:/{version.run_id}/{path}"))

    def fetch(self, version: Version, into: Path) -> Path:
        """The verified bundle of a version in ``into``; a whole one that is there is not fetched.

        Raises BundleError where what comes from the registry is no whole bundle.
        """
        place = into / f"{version.number}-{version.model_version}"
        if _holds(place, version):
            return place
        with tempfile.TemporaryDirectory(prefix="cartwise-") as scratch:
            fetched = self._download(version, Path(scratch))
            _require_same(Bundle.load(fetched), version)
            with replaced(place) as fresh:
                shutil.copytree(fetched, fresh, dirs_exist_ok=True)
        return place

    def _download(self, version: Version, scratch: Path) -> Path:
        with opened(self.place, RegistryError, _SENTENCE) as mlflow:
            uri = f"{version.uri}/{EXTRA_FILES}"
            return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(scratch)))


def rollback(registry: Registry) -> tuple[Version, Version]:
    """Make the champion before the present one champion again: (the new one, the old one).

    Raises RegistryError where there is no champion, or none before it.
    """
    with registry.alone() as lock:
        present = registry.current("champion")
        if present is None or REPLACED not in present.tags:
            raise RegistryError(
                "there is no champion that a roll-back could return to: "
                "'cartwise models' shows the versions"
            )
        before = registry.find(present.tags[REPLACED])
        lock.require_time()
        registry.set_alias("champion", before)
    return before, present


def _holds(place: Path, version: Version) -> bool:
    try:
        return Bundle.load(place).version == version.model_version
    except BundleError:
        return False


def _reference(text: str) -> str:
    scheme = "models:/"
    if not text.startswith(scheme):
        return text
    name, _, wanted = text.removeprefix(scheme).replace("@", "/").partition("/")
    if name != NAME or not wanted:
        raise InputError(f"'{text}' names no model: write models:/{NAME}@champion or a number")
    return wanted


def _versions(client: Any) -> list[Version]:
    names = _aliases(client)
    found = client.search_model_versions(f"name = '{NAME}'", max_results=10_000)
    ready = [_version(row, names) for row in found if row.status == "READY"]
    return sorted(ready, key=lambda one: -one.number)


def _aliases(client: Any) -> Mapping[str, Sequence[str]]:
    """Aliases by version number; searching for versions does not tell them."""
    models = client.search_registered_models(f"name = '{NAME}'")
    by_number: dict[str, list[str]] = {}
    for model in models:
        for alias, number in sorted(model.aliases.items()):
            by_number.setdefault(str(number), []).append(alias)
    return by_number


def _version(row: Any, aliases: Mapping[str, Sequence[str]]) -> Version:
    number, created = str(row.version), row.creation_timestamp / 1000
    return Version(
        int(number),
        str(row.run_id),
        tuple(aliases.get(number, ())),
        dict(row.tags),
        datetime.fromtimestamp(created, UTC),
    )


def _of_bundle(client: Any, bundle: Bundle) -> Version | None:
    same = (one for one in _versions(client) if one.model_version == bundle.version)
    return next(same, None)


def _logged_model(client: Any, bundle: Bundle) -> Any | None:
    """The logged model of a finished run of this bundle; what was cut off is passed over."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return None
    query = f"tags.model_version = '{bundle.version}' and attributes.status = 'FINISHED'"
    runs = client.search_runs([experiment.experiment_id], query)
    outputs = [output for run in runs for output in run.outputs.model_outputs]
    models = (client.get_logged_model(output.model_id) for output in outputs)
    return next((model for model in models if model.status == "READY"), None)


def _create(client: Any, bundle: Bundle, tags: Mapping[str, str]) -> None:
    if not client.search_registered_models(f"name = '{NAME}'"):
        client.create_registered_model(NAME)
    model = _require(_logged_model(client, bundle))
    client.create_model_version(
        NAME,
        source=f"models:/{model.model_id}",
        run_id=model.source_run_id,
        tags=dict(tags),
        model_id=model.model_id,
    )


def _require(found: Any | None) -> Any:
    if found is None:
        raise RegistryError("the registry does not have what was just put into it: run it again")
    return found


def _require_same(bundle: Bundle, version: Version) -> None:
    if bundle.version != version.model_version:
        raise RegistryError(
            f"version {version.number} of the registry holds the bundle {bundle.version}, and was "
            f"registered as {version.model_version}: do not serve it, and find out who changed it"
        )
