"""Where the lake lies, as ``feature_store.yaml`` says."""

from pathlib import Path

from feast import RepoConfig

from cartwise.feast.errors import LogUnusable


def lake_of(config: RepoConfig) -> Path:
    """The folder of events; a relative path starts at the repository.

    Raises:
        LogUnusable: the setting names a variable that is not set, or no folder.
    """
    lake: str = config.offline_store.lake
    if "$" in lake:
        raise LogUnusable(f"the lake is '{lake}' in feature_store.yaml: set that variable")
    if "://" in lake:
        raise LogUnusable(f"the lake '{lake}' is no folder: copy it, or mount it, and name that")
    return Path(config.repo_path or "", lake)
