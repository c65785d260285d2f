"""One world, trained on and evaluated once, for the tests that only look at what came out."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from cartwise.model import crossfit
from cartwise.model.boosting import Boosting, Seeding
from cartwise.model.evaluation import Evaluation, EvaluationSettings, evaluate
from cartwise.model.training import TrainingSettings, train
from tests.model.worlds import World, write_world

QUICK = TrainingSettings(
    seeding=Seeding(threads=1),
    boosting=Boosting(learning_rate=0.2, depth=3, rounds=60, patience=10),
)
ROUGH = EvaluationSettings(draws=60, explained_carts=50, threads=1)


@dataclass(frozen=True)
class Outcome:
    """A bundle with its evaluation and the world that it comes from. Not to be changed."""

    world: World
    model: Path
    out: Path
    evaluation: Evaluation


@pytest.fixture(params=[100, 100_000], ids=["many carts", "few carts"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A world's carts are many, or few."""
    monkeypatch.setattr(crossfit, "CROSS_VALIDATED_BELOW", request.param)


@pytest.fixture(scope="session")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("outcome")
    world = write_world(folder)
    train(world.training, folder / "model", QUICK)
    found = evaluate(folder / "model", world.training, folder / "out", ROUGH, truth=world.truth)
    return Outcome(world, folder / "model", folder / "out", found)
