"""A small simulated shop with two models: what a promotion takes, made in seconds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cartwise.data.ingest import ingest
from cartwise.data.simulate import simulate
from cartwise.data.training_set import build
from cartwise.model.boosting import Boosting
from cartwise.model.training import TrainingSettings, train
from cartwise.promotion import Evidence

GOOD: Final = TrainingSettings(small_sample=Boosting(learning_rate=0.1, depth=3, rounds=25))
POOR: Final = TrainingSettings(small_sample=Boosting(learning_rate=0.1, depth=1, rounds=1))


@dataclass(frozen=True)
class Shop:
    """A lake, its training set, and two bundles: one that learned something, one hardly."""

    events: Path
    training: Path
    good: Path
    poor: Path

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.training, self.events)


def make_shop(folder: Path) -> Shop:
    """Simulate a shop in which the good model is shown to be better than the poor one."""
    shop = Shop(*(folder / name for name in ("events", "training", "good", "poor")))
    simulate(folder / "raw", sessions=24_000, days=8, seed=3)
    ingest(sorted((folder / "raw").glob("*.csv")), shop.events)
    build(shop.events, shop.training)
    train(shop.training, shop.good, GOOD)
    train(shop.training, shop.poor, POOR)
    return shop
