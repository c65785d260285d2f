import numpy as np
import pytest

from cartwise.model.bundle import BOOSTER, Bundle
from cartwise.model.examples import TrainingSet
from cartwise.model.explanation import Contributions, explain
from tests.model.conftest import Outcome
from tests.model.worlds import read_part


def test_contributions_add_up_to_the_margin(outcome: Outcome) -> None:
    bundle = Bundle.load(outcome.model)
    data = TrainingSet.open(outcome.world.training)
    vectors = data.vectors(read_part(data.path, "test"))[:100]
    found = explain(bundle.files[BOOSTER], bundle.spec.feature_names, vectors, threads=1)
    rest = bundle.margin(vectors) - found.values.sum(axis=1)
    assert rest.tolist() == pytest.approx([rest[0]] * 100, abs=1e-4)


def test_what_made_the_label_contributes_most(outcome: Outcome) -> None:
    bundle = Bundle.load(outcome.model)
    data = TrainingSet.open(outcome.world.training)
    vectors = data.vectors(read_part(data.path, "test"))
    found = explain(bundle.files[BOOSTER], bundle.spec.feature_names, vectors, threads=1)
    assert found.names[found.strongest(1)[0]] == "user_view_0d"


def test_features_that_never_contribute_are_not_among_the_strongest() -> None:
    values = np.array([[0.0, -2.0, 1.0], [0.0, 2.0, 1.0]])
    found = Contributions(("never", "most", "some"), values, values.astype(np.float32), 0.0)
    assert found.strongest(5) == [1, 2]
    assert found.strongest(1) == [1]
