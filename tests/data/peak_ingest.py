"""Ingests a small file, then another; prints by how many MiB that one took more memory."""

import resource
import sys
from pathlib import Path

from cartwise.data.ingest import ingest


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    small, other, lake = map(Path, sys.argv[1:])
    ingest([small], lake / "small")
    before = peak_mib()
    ingest([other], lake / "other")
    print(peak_mib() - before)  # noqa: T201
