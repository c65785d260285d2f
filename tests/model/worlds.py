"""A tiny training set with a known truth: carts of users with latent taste, a logistic label."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cartwise.model.manifest import LEARNED_FROM

START = datetime(2026, 1, 1, tzinfo=UTC)
CATEGORIES = ("electronics.smartphone", "electronics.audio", "apparel.shoes", None)
NAMED_FEATURES = ("user_events_before", "product_events_before", "session_depth")
PARTS = {"train": 0.6, "validation": 0.1, "calibration": 0.1, "test": 0.2}
FEW_PARTS = {"train": 0.7, "test": 0.3}
PLAIN = [pl.col(f"user_view_{number}d") for number in range(4)]
"""Features by which labels may be drawn."""


@dataclass(frozen=True)
class World:
    """Where a training set and its truth file lie."""

    training: Path
    truth: Path


def write_world(
    folder: Path, *, carts: int = 3000, features: int = 12, small: bool = False, seed: int = 1
) -> World:
    """Write ``carts`` carts with ``features`` features (three of them named) under ``folder``."""
    frame, truth = _carts(carts, features, np.random.default_rng(seed))
    training = folder / "training"
    parts = _split(frame, FEW_PARTS if small else PARTS)
    for name, part in parts.items():
        write_part(training, name, part)
    (training / "manifest.json").write_text(json.dumps(_manifest(parts, features, small)))
    truth.write_parquet(folder / "truth.parquet")
    return World(training, folder / "truth.parquet")


def write_part(training: Path, name: str, part: pl.DataFrame) -> None:
    """Write a part in two files, as a long log would come."""
    (training / name).mkdir(parents=True, exist_ok=True)
    half = part.height // 2
    part[:half].write_parquet(training / name / "part-00000.parquet")
    part[half:].write_parquet(training / name / "part-00001.parquet")


def read_part(training: Path, name: str) -> pl.DataFrame:
    """All carts of a part in order."""
    return pl.concat(pl.read_parquet(file) for file in sorted((training / name).glob("*.parquet")))


def change_part(training: Path, name: str, part: pl.DataFrame) -> None:
    """Put other carts into a part and say so in the manifest."""
    write_part(training, name, part)
    change_manifest(training, parts={**read_manifest(training)["parts"], name: _part(part)})


def relabel(
    training: Path, draw: Callable[[pl.DataFrame, np.random.Generator], np.ndarray]
) -> None:
    """Give every cart that a model learns from another label."""
    random = np.random.default_rng(1)
    for part in LEARNED_FROM:
        carts = read_part(training, part)
        drawn = pl.Series(draw(carts, random).astype(np.uint8))
        change_part(training, part, carts.with_columns(label=drawn))


def label_by(training: Path, logit: pl.Expr) -> None:
    """Draw labels anew, with log odds that are a function of the vectors."""

    def draw(carts: pl.DataFrame, random: np.random.Generator) -> np.ndarray:
        odds = carts.select(logit.exp()).to_series().to_numpy()
        return random.random(carts.height) < odds / (1 + odds)

    relabel(training, draw)


def read_manifest(training: Path) -> dict[str, Any]:
    return json.loads((training / "manifest.json").read_text())


def change_manifest(training: Path, **facts: object) -> None:
    (training / "manifest.json").write_text(json.dumps({**read_manifest(training), **facts}))


def feature_names(features: int) -> list[str]:
    """The features in the manifest's order."""
    plain = [f"user_view_{number}d" for number in range(features - len(NAMED_FEATURES))]
    return [*plain, *NAMED_FEATURES]


def _carts(carts: int, features: int, random: np.random.Generator) -> tuple[pl.DataFrame, ...]:
    user = random.integers(0, carts // 3 + 1, carts)
    product = random.integers(0, 50, carts)
    vectors = random.normal(size=(carts, features)).astype(np.float32)
    vectors[:, -3:] = np.abs(vectors[:, -3:] * 5).round()
    logit = 1.2 * vectors[:, 0] - 0.8 * vectors[:, 1] * (vectors[:, 2] > 0) - 0.5
    probability = 1.0 / (1.0 + np.exp(-logit.astype(np.float64)))
    vectors[random.random(vectors.shape) < 0.05] = np.nan
    keys = pl.DataFrame(
        {
            "user_id": user,
            "product_id": product,
            "user_session": [f"s{number}" for number in range(carts)],
            "cart_time": [START + timedelta(minutes=10 * minute) for minute in range(carts)],
            "category_id": product % 7,
            "category_code": [CATEGORIES[number % len(CATEGORIES)] for number in product],
            "brand": [None if number % 5 == 0 else f"b{number % 5}" for number in product],
            "price": np.round(20.0 + 3.0 * product + random.random(carts), 2),
            "label": (random.random(carts) < probability).astype(np.uint8),
        },
        schema_overrides={"cart_time": pl.Datetime("us", "UTC")},
    )
    columns = pl.DataFrame(vectors, schema=feature_names(features), orient="row")
    truth = keys.select("user_session", "product_id", purchase_probability=probability)
    return pl.concat([keys, columns], how="horizontal"), truth


def _split(frame: pl.DataFrame, shares: dict[str, float]) -> dict[str, pl.DataFrame]:
    bounds = np.round(np.cumsum([0.0, *shares.values()]) * frame.height).astype(int)
    return {
        name: frame[first:last]
        for name, first, last in zip(shares, bounds, bounds[1:], strict=False)
    }


def _manifest(parts: dict[str, pl.DataFrame], features: int, small: bool) -> dict[str, object]:  # noqa: FBT001
    carts = pl.concat(parts.values())
    return {
        "fingerprint": "f00d" * 4,
        "feature_names": feature_names(features),
        "horizon_seconds": 86_400,
        "label_scope": "user",
        "first_event": carts["cart_time"].min().isoformat(),
        "last_event": carts["cart_time"].max().isoformat(),
        "data_version": "beef" * 4,
        "parts": {name: _part(part) for name, part in parts.items()},
        "counts": {
            "carts": carts.height + 30,
            "mature": carts.height + 20,
            "censored_end": 10,
            "censored_outage": 20,
            "embargoed": 0,
        },
        "daily": _daily(carts),
        "censored_spans": [
            {
                "start": (START + timedelta(days=2)).isoformat(),
                "end": (START + timedelta(days=3)).isoformat(),
                "kind": "purchases",
                "reason": "no purchases",
            }
        ],
        "small": small,
    }


def _part(part: pl.DataFrame) -> dict[str, object]:
    times = part["cart_time"] if part.height else pl.Series([START])
    return {
        "carts": part.height,
        "positives": int(part["label"].sum()),
        "first_cart": times.min().isoformat(),
        "last_cart": times.max().isoformat(),
    }


def _daily(carts: pl.DataFrame) -> list[dict[str, object]]:
    days = carts.group_by(date=pl.col("cart_time").dt.date().cast(pl.String)).agg(
        carts=pl.len(), positives=pl.col("label").cast(pl.Int64).sum(), censored=pl.lit(1)
    )
    return days.sort("date").to_dicts()
