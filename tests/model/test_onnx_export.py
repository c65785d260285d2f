import numpy as np
import onnxruntime as ort
import pytest
import xgboost as xgb
from numpy.typing import NDArray

from cartwise.model.bundle import INPUT, OUTPUT
from cartwise.model.onnx_export import to_onnx

FEATURES = 8
LIMITS = np.finfo(np.float32)


@pytest.fixture(scope="module")
def booster() -> xgb.Booster:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(4000, FEATURES)).astype(np.float32)
    vectors[random.random(vectors.shape) < 0.2] = np.nan
    known = np.nan_to_num(vectors)
    bought = random.random(4000) < 1 / (1 + np.exp(-known[:, 0] * known[:, 1] - known[:, 2]))
    parameters = {
        "objective": "binary:logistic",
        "max_depth": 6,
        "eta": 0.3,
        "base_score": 0.3,
        "nthread": 1,
    }
    return xgb.train(parameters, xgb.DMatrix(vectors, bought), 60)


def onnx_margins(content: bytes, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    (margins,) = session.run([OUTPUT], {INPUT: vectors})
    return margins[:, 0]


def xgboost_margins(booster: xgb.Booster, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return booster.inplace_predict(vectors, predict_type="margin", missing=np.nan)


def random_vectors() -> NDArray[np.float32]:
    return np.random.default_rng(2).normal(size=(3000, FEATURES)).astype(np.float32) * 3


def missing_vectors() -> NDArray[np.float32]:
    vectors = random_vectors()
    vectors[np.random.default_rng(3).random(vectors.shape) < 0.6] = np.nan
    vectors[0] = np.nan
    return vectors


def extreme_vectors() -> NDArray[np.float32]:
    extremes = [LIMITS.max, LIMITS.min, LIMITS.tiny, -LIMITS.tiny, LIMITS.smallest_subnormal]
    choices = np.array([*extremes, 0.0, -0.0, 1e30, -1e30, np.nan], np.float32)
    return np.random.default_rng(4).choice(choices, size=(3000, FEATURES))


def vectors_on_thresholds(booster: xgb.Booster) -> NDArray[np.float32]:
    """Every split of the model, hit exactly and missed by the last bit on either side."""
    splits = booster.trees_to_dataframe().dropna(subset=["Split"])
    vectors = np.zeros((3 * len(splits), FEATURES), np.float32)
    exact = splits["Split"].to_numpy(np.float32)
    for row, values in enumerate((exact, np.nextafter(exact, -1e9), np.nextafter(exact, 1e9))):
        place = splits["Feature"].str[1:].astype(int).to_numpy()
        vectors[row * len(splits) + np.arange(len(splits)), place] = values.astype(np.float32)
    return vectors


@pytest.mark.parametrize("vectors", [random_vectors(), missing_vectors(), extreme_vectors()])
def test_onnx_equals_xgboost(booster: xgb.Booster, vectors: NDArray[np.float32]) -> None:
    difference = onnx_margins(to_onnx(booster), vectors) - xgboost_margins(booster, vectors)
    assert np.abs(difference).max() <= 1e-5


def test_onnx_equals_xgboost_on_every_threshold(booster: xgb.Booster) -> None:
    vectors = vectors_on_thresholds(booster)
    assert len(vectors) > 1000
    difference = onnx_margins(to_onnx(booster), vectors) - xgboost_margins(booster, vectors)
    assert np.abs(difference).max() <= 1e-5


def test_a_missing_value_does_not_count_as_zero(booster: xgb.Booster) -> None:
    missing = np.full((1, FEATURES), np.nan, np.float32)
    zero = np.zeros((1, FEATURES), np.float32)
    content = to_onnx(booster)
    assert abs(onnx_margins(content, missing)[0] - onnx_margins(content, zero)[0]) > 0.01


def test_the_same_booster_exports_to_the_same_bytes(booster: xgb.Booster) -> None:
    again = xgb.Booster(model_file=booster.save_raw("ubj"))
    assert to_onnx(booster) == to_onnx(again)


def test_a_booster_that_never_splits_gives_its_base_margin() -> None:
    vectors = random_vectors()[:50]
    bought = np.arange(50) % 2
    parameters = {"objective": "binary:logistic", "base_score": 0.2, "gamma": 1e9, "eta": 0.0}
    booster = xgb.train(parameters, xgb.DMatrix(vectors, bought), 2)
    assert onnx_margins(to_onnx(booster), vectors).tolist() == pytest.approx([np.log(0.25)] * 50)
