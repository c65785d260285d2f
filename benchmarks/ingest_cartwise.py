"""Cartwise's ingest: what its peers do, and also a quarantine with reasons and an exact account."""

from pathlib import Path

from benchmarks.rawlog import raw_files
from cartwise.data.ingest import ingest


def run(raw: Path, out: Path) -> None:
    """Read the raw files into the lake at ``out``."""
    ingest(raw_files(raw), out)
