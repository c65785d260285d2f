"""Where lake and states lie, as ``feature_store.yaml`` says; relative paths start beside it."""

from pathlib import Path
from typing import Final

from feast import RepoConfig

from cartwise.feast.errors import FeatureStoreError, LogUnusable
from cartwise.feast.lakes import S3, BucketLake, FolderLake, KeptDays, Lake

_SQLITE: Final = "sqlite:///"


def lake_of(config: RepoConfig) -> Lake:
    """The days of events.

    Raises:
        LogUnusable: the setting names a variable that is not set, or neither folder nor bucket.
    """
    lake: str = config.offline_store.lake
    if "$" in lake:
        raise LogUnusable(f"the lake is '{lake}' in feature_store.yaml: set that variable")
    if lake.startswith(S3):
        return BucketLake(lake, endpoint_of(config), _kept(config))
    if "://" in lake:
        raise LogUnusable(f"the lake '{lake}' is neither a folder nor s3://bucket/path")
    return FolderLake(Path(config.repo_path or "", lake))


def endpoint_of(config: RepoConfig) -> str | None:
    """The S3 server, None for Amazon's: a variable that is not set stays as it was written."""
    endpoint: str | None = config.offline_store.s3_endpoint
    return None if not endpoint or "$" in endpoint else endpoint


def _kept(config: RepoConfig) -> KeptDays | None:
    cache: str | None = config.offline_store.cache
    return KeptDays(Path(config.repo_path or "", cache)) if cache else None


def store_url(config: RepoConfig) -> str:
    """The address of the states.

    Raises:
        FeatureStoreError: the setting names a variable that is not set, or no lasting store.
    """
    url: str = config.online_store.url
    if "$" in url:
        raise FeatureStoreError(
            f"the online store is '{url}' in feature_store.yaml: set that variable"
        )
    if url.startswith("memory:"):
        raise FeatureStoreError("a feature store in memory would be lost: give a lasting one")
    if not url.startswith(_SQLITE):
        return url
    return f"{_SQLITE}{Path(config.repo_path or '', url.removeprefix(_SQLITE))}"
