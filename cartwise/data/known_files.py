"""Which files were read into a lake, by the digest of their bytes: those need no reading again.

Telling a file by its bytes takes a small share of the time of reading its events, and holds
whatever became of names and dates, as by a checkout.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cartwise.data.sources import Source
from cartwise.disk import readable
from cartwise.documents import read_document
from cartwise.progress import Progress

FILE: Final = "sources.json"


def digests(sources: Sequence[Source], progress: Progress) -> Mapping[Path, str]:
    """The digest of each file by its path."""
    found = {}
    size = sum(source.size_bytes for source in sources)
    with progress.task("telling known files", size, "byte") as advance:
        for source in sources:
            with readable(source.path), source.path.open("rb") as file:
                found[source.path] = hashlib.file_digest(file, "sha256").hexdigest()
            advance(source.size_bytes)
    return found


def read(lake: Path) -> Mapping[str, str]:
    """All files that are known to be in a lake: by digest, the path from its folder."""
    file = lake / FILE
    if not file.exists():
        return {}
    return read_document(file, dict[str, str], "delete it, and files are read again")


def write(lake: Path, known: Mapping[str, str]) -> None:
    """Keep with a lake what is known of it, if anything."""
    if known:
        (lake / FILE).write_text(json.dumps(known, indent=1, sort_keys=True))
