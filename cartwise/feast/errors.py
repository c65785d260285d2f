"""What can go wrong, as errors that are both ours and Feast's: users of either can catch them."""

from collections.abc import Iterator
from contextlib import contextmanager

from feast.errors import DataSourceNotFoundException, EntityDFNotDateTime, FeastError

from cartwise.errors import CartwiseError, FingerprintMismatch, InputError


class FeatureStoreError(CartwiseError, FeastError):
    """Base of what this package raises."""


class LogUnusable(FeatureStoreError, InputError, DataSourceNotFoundException):
    """The lake is missing, empty or damaged."""

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)


class SpecificationChanged(FeatureStoreError, FingerprintMismatch):
    """The registry or the states were made with another feature specification."""


class NoPointInTime(FeatureStoreError, EntityDFNotDateTime):
    """The entity rows have no usable timestamps."""

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)


class EntityRowsUnusable(FeatureStoreError, InputError):
    """A column of the entity rows cannot be what its name says."""


class RegistryUnusable(FeatureStoreError, InputError):
    """The registry cannot be reached, or nothing was applied to it."""


class NotOurs(FeatureStoreError):
    """Feast asks for something that a store of this kind does not do."""


@contextmanager
def in_terms_of_feast() -> Iterator[None]:
    """Translate errors of the core into those of this module."""
    try:
        yield
    except FeatureStoreError:
        raise
    except FingerprintMismatch as error:
        raise SpecificationChanged(str(error)) from error
    except InputError as error:
        raise LogUnusable(str(error)) from error
    except CartwiseError as error:
        raise FeatureStoreError(str(error)) from error
