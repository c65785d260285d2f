"""Cartwise end to end: from the lake to a training set on disk."""

from pathlib import Path

from cartwise.data.training_set import build


def run(lake: Path, out: Path) -> None:
    """Build the training set: vectors, labels, splits, leak canary and states."""
    build(lake, out / "training")
