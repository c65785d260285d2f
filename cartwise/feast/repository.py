"""A feature repository opened, with what may be wrong with it told in one sentence."""

from pathlib import Path

from feast import FeatureService, FeatureStore
from feast.errors import FeatureServiceNotFoundException
from sqlalchemy.exc import SQLAlchemyError

from cartwise.feast.errors import RegistryUnusable
from cartwise.feast.views import FEATURE_SERVICE
from cartwise.masking import masked


def open_repository(repository: Path) -> FeatureStore:
    """The feature store of a folder with a ``feature_store.yaml``, or of such a file.

    Raises:
        RegistryUnusable: there is none, or its registry cannot be reached.
    """
    file = repository / "feature_store.yaml" if repository.is_dir() else repository
    if not file.is_file():
        raise RegistryUnusable(f"{file} does not exist: give the folder of a feature repository")
    try:
        return FeatureStore(repo_path=str(file.parent), fs_yaml_file=file)
    except (OSError, SQLAlchemyError) as error:
        raise _away(file, error) from error


def feature_service(store: FeatureStore) -> FeatureService:
    """The service of the features that the model takes.

    Raises:
        RegistryUnusable: the registry cannot be reached, or does not have it.
    """
    try:
        return store.get_feature_service(FEATURE_SERVICE)
    except FeatureServiceNotFoundException as error:
        raise RegistryUnusable(
            f"the registry has no feature service '{FEATURE_SERVICE}': run 'feast apply'"
        ) from error
    except (OSError, SQLAlchemyError) as error:
        raise _away(store.config.registry.path, error) from error


def _away(place: object, error: Exception) -> RegistryUnusable:
    reason = str(error).splitlines()[0]
    return RegistryUnusable(
        masked(f"the registry of {place} cannot be reached ({reason}): check both")
    )
