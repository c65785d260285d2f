"""The parts of a training set, and why a cart is in none: by the names that its files use."""

from typing import Final

MANIFEST: Final = "manifest.json"
"""The file in which a training set tells what it is."""

INDEX: Final = "files.json"
"""The file in which it tells what each of its days was made from."""

PARTS: Final = ("train", "validation", "calibration", "test")

LEFT_OUT: Final = {
    "censored_end": "log's end",
    "censored_outage": "suspect span",
    "embargoed": "embargo",
}
"""Why a cart is in no part: by the name of its count in a manifest."""
