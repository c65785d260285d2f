"""Training: from a training set to a calibrated bundle. The test part is never opened.

How to boost is found first, see :mod:`cartwise.model.crossfit`. Then the model is boosted on all
parts but the test: more carts, and more recent ones. It is calibrated on the latest of these, each
with the margin of a booster that has seen no cart of its user.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import polars as pl
import xgboost as xgb
from numpy.typing import NDArray

from cartwise.counting import counted
from cartwise.errors import NotEnoughData
from cartwise.events import SECONDS_PER_DAY
from cartwise.model import bundle
from cartwise.model.boosting import (
    SMALL_SAMPLE,
    Boosting,
    Seeding,
    boost_again,
    boost_fixed,
    margin,
)
from cartwise.model.bundle import ModelSpec
from cartwise.model.calibration import ENOUGH_FOR_CURVES, Calibration, calibrate, folds
from cartwise.model.card import model_card
from cartwise.model.columns import LABEL
from cartwise.model.crossfit import at_hand, cross_fit, name_of_loss
from cartwise.model.examples import TrainingSet, labels
from cartwise.model.manifest import LEARNED_FROM, Manifest
from cartwise.model.onnx_export import to_onnx
from cartwise.model.policy import Economics, Policy
from cartwise.progress import SILENT, Progress

Array = NDArray[np.float64]

RECENT_SECONDS: Final = 14 * SECONDS_PER_DAY
"""Calibrated on is what was carted last: shares bought drift, and weeks have every day once."""


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides which model comes out; ``small_sample`` takes the place of
    ``boosting`` where a training set is small."""

    seeding: Seeding = field(default_factory=Seeding)
    boosting: Boosting = field(default_factory=Boosting)
    small_sample: Boosting = SMALL_SAMPLE
    economics: Economics = field(default_factory=Economics)

    def facts(self, *, small: bool) -> dict[str, Any]:
        """What was set for a training set, small or not, by ``group.name``."""
        groups = asdict(self)
        return {
            f"{group}.{name}": value
            for group in ("seeding", "small_sample" if small else "boosting", "economics")
            for name, value in groups[group].items()
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """The settings that :meth:`facts` told of; defaults where it was mute."""
        return cls(
            Seeding(**_group(facts, "seeding")),
            Boosting(**_group(facts, "boosting")),
            replace(SMALL_SAMPLE, **_group(facts, "small_sample")),
            Economics(**_group(facts, "economics")),
        )


def _group(facts: Mapping[str, Any], group: str) -> dict[str, Any]:
    start = f"{group}."
    return {
        name.removeprefix(start): fact for name, fact in facts.items() if name.startswith(start)
    }


@dataclass(frozen=True)
class TrainingResult:
    """Where the bundle lies, its version, and what training measured (also its metrics.json)."""

    model: Path
    model_version: str
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class _Fitted:
    booster: xgb.Booster
    calibration: Calibration
    facts: Mapping[str, Any]


def train(
    training: Path,
    out: Path,
    settings: TrainingSettings | None = None,
    *,
    progress: Progress = SILENT,
    built_by: str = "cartwise features",
) -> TrainingResult:
    """Train on a training set folder and write the bundle ``out``; same input, same bytes.

    ``built_by`` is the command that somebody gave the horizon to, for an error that asks for
    another one.

    Raises InputError where ``training`` is no training set, NotEnoughData where a class is
    missing from its train part, and OutputError where ``out`` cannot be written.
    """
    settings = settings or TrainingSettings()
    bundle.require_free(out)
    data = TrainingSet.open(training)
    _require_both_classes(data.manifest, built_by)
    fit = _fit_small_sample if data.manifest.small else _fit
    fitted = fit(data, settings, progress)
    given = settings.facts(small=data.manifest.small)
    metrics = {**_facts(data.manifest), **fitted.facts, **given}
    files = _files(data, settings, fitted, metrics)
    bundle.write_bundle(out, files)
    return TrainingResult(out, bundle.Bundle(files).version, metrics)


def _require_both_classes(manifest: Manifest, built_by: str) -> None:
    part = manifest.parts.get("train")
    carts, positives = (part.carts, part.positives) if part else (0, 0)
    if 0 < positives < carts:
        return
    lacks, horizon = ("purchases", "longer") if not positives else ("carts left behind", "shorter")
    raise NotEnoughData(
        f"the train part holds {counted(carts, 'cart')} of which {positives:,} were bought: a "
        f"model needs carts of both kinds; give a longer log that holds {lacks}, or pass a "
        f"{horizon} --horizon to '{built_by}'"
    )


def _fit(data: TrainingSet, settings: TrainingSettings, progress: Progress) -> _Fitted:
    data = at_hand(data)
    carts = pl.concat(data.columns(part, [LABEL, "user_id", "cart_time"]) for part in LEARNED_FROM)
    users, seeding = carts["user_id"].to_numpy(), settings.seeding
    found = cross_fit(data, settings.boosting, seeding, progress)
    recent = _recent(carts["cart_time"].dt.epoch("s").to_numpy())
    calibration = calibrate(
        found.margins[recent], labels(carts)[recent], folds(users[recent], seeding.seed)
    )
    rounds = found.rounds_on_all
    booster = boost_again(
        data,
        rounds,
        found.boosting,
        seeding,
        progress,
        label="train on all but the test",
        from_regression=found.from_regression,
    )
    facts = {
        "depth": found.boosting.depth,
        "rounds": found.rounds,
        "rounds_on_all": rounds,
        "from_regression": found.from_regression,
        name_of_loss(data): found.log_loss,
    }
    return _Fitted(booster, calibration, facts | _calibration_facts(calibration))


def _recent(times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which carts, in order of time, are of the last two weeks, or of the last few thousand."""
    recent: NDArray[np.bool_] = times > times[-1] - RECENT_SECONDS
    recent[-ENOUGH_FOR_CURVES:] = True
    return recent


def _fit_small_sample(data: TrainingSet, settings: TrainingSettings, progress: Progress) -> _Fitted:
    """All carts train; each is calibrated on by a booster that has not seen its session."""
    carts = counted(data.manifest.carts("train"), "cart")
    progress.say(f"small sample ({carts}): fixed rounds, folds to calibrate")
    names, boosting = data.manifest.feature_names, settings.small_sample
    seeding = settings.seeding.for_carts(data.manifest.carts("train"))
    frame = data.columns("train", [*names, LABEL, "user_session"])
    vectors, bought = data.vectors(frame), labels(frame)
    fold = folds(frame["user_session"].fill_null("").to_numpy(), seeding.seed)
    margins = np.zeros(len(bought))
    for held_out in np.unique(fold):
        out = fold == held_out
        booster = boost_fixed(vectors[~out], bought[~out], names, boosting, seeding)
        margins[out] = margin(booster, vectors[out])
    calibration = calibrate(margins, bought, fold)
    booster = boost_fixed(vectors, bought, names, boosting, seeding)
    facts = {"depth": boosting.depth, "rounds": booster.num_boosted_rounds()}
    return _Fitted(booster, calibration, facts | _calibration_facts(calibration))


def _calibration_facts(calibration: Calibration) -> dict[str, Any]:
    losses = calibration.log_losses.items()
    return {
        "calibration_method": calibration.calibrator.method,
        **{f"calibration_log_loss_{method}": loss for method, loss in losses},
    }


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "small_sample": manifest.small,
        "carts_train": manifest.carts("train"),
        "carts_validation": manifest.carts("validation"),
        "carts_calibration": manifest.carts("calibration"),
        "carts_test": manifest.carts("test"),
        "features": len(manifest.feature_names),
        "horizon_seconds": manifest.horizon_seconds,
        "label_scope": manifest.label_scope,
        "data_version": manifest.data_version,
        "learned_until": _learned_until(manifest),
    }


def _learned_until(manifest: Manifest) -> str:
    """Time of the last cart that the model or its calibration saw, ISO 8601."""
    seen = (part.last_cart for name, part in manifest.parts.items() if name != "test")
    # Their order as texts is that of their moments only where all have one offset from UTC.
    return max(seen, key=datetime.fromisoformat)


def _files(
    data: TrainingSet, settings: TrainingSettings, fitted: _Fitted, metrics: Mapping[str, Any]
) -> dict[str, bytes]:
    manifest = data.manifest
    spec = ModelSpec(
        manifest.feature_names, manifest.fingerprint, manifest.horizon_seconds, manifest.label_scope
    )
    policy = Policy(settings.economics, _typical_price(data))
    return {
        bundle.BOOSTER: bytes(fitted.booster.save_raw("ubj")),
        bundle.GRAPH: to_onnx(fitted.booster),
        bundle.CALIBRATION: bundle.as_json(fitted.calibration.calibrator.to_json()),
        bundle.SPEC: bundle.as_json(spec.to_json()),
        bundle.POLICY: bundle.as_json(policy.to_json()),
        bundle.METRICS: bundle.as_json(metrics),
        bundle.CARD: model_card(manifest, policy, metrics).encode(),
    }


def _typical_price(data: TrainingSet) -> float:
    price = data.columns("train", ["price"])["price"]
    typical = price.filter(price > 0).median()
    return typical if isinstance(typical, float) else 0.0
