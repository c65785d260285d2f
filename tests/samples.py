"""Where the real samples lie, for the tests that read them."""

from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "data"


def sample(name: str) -> Path:
    """The path of a real sample; skips the calling test where the samples are not at hand."""
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"the real sample {name} is not at hand: it would lie in {SAMPLES}")
    return path
