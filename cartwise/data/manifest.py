"""What a training set says of itself, in ``manifest.json``."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwise.data.labels import LabelSettings
from cartwise.data.log import Log
from cartwise.data.outcomes import Outcomes
from cartwise.data.spans import Span
from cartwise.features.catalogue import SPECIFICATION
from cartwise.parts import LEFT_OUT, MANIFEST, PARTS

Manifest = dict[str, Any]


def describe(
    log: Log, outcomes: Outcomes, spans: Sequence[Span], labels: LabelSettings
) -> Manifest:
    """The manifest of a training set; counts are of carts, times are ISO 8601 in UTC."""
    return {
        "fingerprint": SPECIFICATION.fingerprint,
        "feature_names": list(SPECIFICATION.vector),
        "horizon_seconds": labels.horizon_seconds,
        "label_scope": labels.scope,
        "first_event": _iso(log.first_second),
        "last_event": _iso(log.last_second),
        "data_version": log.version,
        "small": outcomes.is_small,
        "parts": _parts(outcomes),
        "counts": {
            "carts": len(outcomes.rows),
            "mature": int((~outcomes.having("censored_end")).sum()),
            **{fate: int(outcomes.having(fate).sum()) for fate in LEFT_OUT},
        },
        "daily": list(_daily(outcomes)),
        "censored_spans": [
            {
                "start": span.start.isoformat(),
                "end": span.end.isoformat(),
                "kind": span.kind,
                "reason": span.reason,
            }
            for span in spans
        ],
    }


def write_manifest(training: Path, manifest: Manifest) -> None:
    """Write it into the folder of a training set."""
    (training / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def _parts(outcomes: Outcomes) -> dict[str, dict[str, Any]]:
    chosen = ((part, outcomes.having(part)) for part in PARTS)
    return {part: _part(outcomes, among) for part, among in chosen if among.any()}


def _part(outcomes: Outcomes, among: NDArray[np.bool_]) -> dict[str, Any]:
    times = outcomes.times[among]
    return {
        "carts": len(times),
        "positives": int(outcomes.bought[among].sum()),
        "first_cart": _iso(times[0]),
        "last_cart": _iso(times[-1]),
    }


def _daily(outcomes: Outcomes) -> Iterator[dict[str, Any]]:
    censored = outcomes.having("censored_end", "censored_outage")
    for day, start, end in zip(outcomes.days, outcomes.starts, outcomes.starts[1:], strict=False):
        known = ~censored[start:end]
        yield {
            "date": day.isoformat(),
            "carts": int(known.sum()),
            "positives": int(outcomes.bought[start:end][known].sum()),
            "censored": int((~known).sum()),
        }


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
