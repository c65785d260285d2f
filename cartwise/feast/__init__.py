"""Cartwise as a feature store that Feast's users know: its extension points, on our feature core.

``feature_store.yaml`` names the stores by their path: ``cartwise.feast.OfflineStore`` and
``cartwise.feast.OnlineStore``. There is no second implementation of any feature here.

Raises:
    MissingExtra: Feast is not installed.
"""

from cartwise.errors import MissingExtra

try:
    import feast as _feast  # noqa: F401
except ImportError as error:
    raise MissingExtra("feast", "feast") from error

from cartwise.feast.offline_store import OfflineStore, OfflineStoreConfig
from cartwise.feast.online_store import OnlineStore, OnlineStoreConfig
from cartwise.feast.vectors import vectors

__all__ = ["OfflineStore", "OfflineStoreConfig", "OnlineStore", "OnlineStoreConfig", "vectors"]
