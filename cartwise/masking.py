"""Addresses without what they must not tell: an error ends in a log, or on a page for strangers."""

import re
from typing import Final

_ACCOUNT: Final = re.compile(r"://[^\s/]+@")


def masked(text: str) -> str:
    """A text in which addresses like ``scheme://user:password@host`` hide who asks."""
    return _ACCOUNT.sub("://***@", text)
