import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb

from cartwise.errors import BundleError, FingerprintMismatch, OutputError
from cartwise.model.bundle import BOOSTER, CHECKSUMS, FILES, METRICS, Bundle, write_bundle
from tests.model.conftest import Outcome


@pytest.fixture
def copied(outcome: Outcome, tmp_path: Path) -> Path:
    """A bundle that a test may damage."""
    return Path(shutil.copytree(outcome.model, tmp_path / "model"))


def extreme_vectors(bundle: Bundle, rows: int = 2000) -> np.ndarray:
    random = np.random.default_rng(1)
    choices = np.array([np.nan, 0.0, -1.0, 1.0, 1e30, -1e30, 1e-30], np.float32)
    features = len(bundle.spec.feature_names)
    vectors = random.normal(size=(rows, features)).astype(np.float32)
    odd = random.random(vectors.shape) < 0.4
    vectors[odd] = random.choice(choices, odd.sum())
    return vectors


def test_a_bundle_holds_exactly_its_files_and_their_checksums(outcome: Outcome) -> None:
    assert {entry.name for entry in outcome.model.iterdir()} == {*FILES, CHECKSUMS}
    listed = (outcome.model / CHECKSUMS).read_text().splitlines()
    assert [line.split()[1] for line in listed] == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_refused_by_name(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}' was altered"):
        Bundle.load(copied)


@pytest.mark.parametrize("name", [*FILES, CHECKSUMS])
def test_a_missing_file_is_refused_by_name(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(BundleError, match=f"misses '{name}'"):
        Bundle.load(copied)


def test_a_file_that_does_not_belong_is_refused_by_name(copied: Path) -> None:
    (copied / "model.pkl").write_bytes(b"")
    with pytest.raises(BundleError, match=r"holds also 'model\.pkl'"):
        Bundle.load(copied)


def test_a_folder_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError, match=r"no bundle '.*nowhere': train one with 'cartwise train'"
    ):
        Bundle.load(tmp_path / "nowhere")


def test_a_folder_above_a_bundle_says_where_the_bundle_is(copied: Path) -> None:
    with pytest.raises(BundleError) as told:
        Bundle.load(copied.parent)
    assert (
        str(told.value) == f"'{copied.parent}' is no bundle: it has no spec.json; '{copied}' is one"
    )


def test_a_training_set_in_the_place_of_a_bundle_is_told_as_such(outcome: Outcome) -> None:
    with pytest.raises(BundleError, match="is a training set and no bundle: give what 'cartwise"):
        Bundle.load(outcome.world.training)


def test_a_folder_of_something_else_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    with pytest.raises(BundleError) as told:
        Bundle.load(tmp_path)
    assert str(told.value) == f"'{tmp_path}' is no bundle: it has no spec.json"


@pytest.mark.parametrize("name", ["model.onnx", "spec.json", "calibration.json", "policy.json"])
def test_a_foreign_file_with_right_checksums_is_still_refused(copied: Path, name: str) -> None:
    files = {**Bundle.load(copied).files, name: b'{"foreign": 1}'}
    write_bundle(copied, files)
    with pytest.raises(BundleError):
        Bundle.load(copied)


def test_what_is_wrong_in_a_file_with_right_checksums_is_named(copied: Path) -> None:
    files = Bundle.load(copied).files
    wrong = files["spec.json"].replace(b": 86400", b': "a day"')
    write_bundle(copied, {**files, "spec.json": wrong})
    with pytest.raises(BundleError, match=r"spec\.json is damaged \(.*horizon_seconds.*again"):
        Bundle.load(copied)


def test_a_fact_that_training_did_not_note_is_named(outcome: Outcome) -> None:
    files = Bundle.load(outcome.model).files
    with pytest.raises(BundleError, match="does not tell 'learned_until': take the bundle again"):
        Bundle({**files, METRICS: b"{}"}).fact("learned_until")


def test_another_fingerprint_is_refused_with_both_named(outcome: Outcome) -> None:
    bundle = Bundle.load(outcome.model)
    bundle.require_fingerprint(bundle.spec.fingerprint)
    with pytest.raises(FingerprintMismatch, match=f"{bundle.spec.fingerprint}.*0123"):
        bundle.require_fingerprint("0123")


def test_onnx_and_xgboost_of_a_bundle_agree_on_odd_vectors(outcome: Outcome) -> None:
    bundle = Bundle.load(outcome.model)
    vectors = extreme_vectors(bundle)
    booster = xgb.Booster(model_file=bytearray(bundle.files[BOOSTER]))
    margin = booster.inplace_predict(vectors, predict_type="margin", missing=np.nan)
    assert np.abs(bundle.margin(vectors) - margin).max() <= 1e-5


def test_a_cart_scores_the_same_alone_and_among_others(outcome: Outcome) -> None:
    bundle = Bundle.load(outcome.model)
    vectors = extreme_vectors(bundle, 300)
    together = bundle.score(vectors)
    alone = np.concatenate([bundle.score(vectors[row : row + 1]) for row in range(300)])
    assert together.tobytes() == alone.tobytes()
    assert ((together > 0.0) & (together < 1.0)).all()


def test_scores_keep_the_order_of_margins(outcome: Outcome) -> None:
    bundle = Bundle.load(outcome.model)
    vectors = extreme_vectors(bundle)
    order = np.argsort(bundle.margin(vectors), kind="stable")
    assert (np.diff(bundle.score(vectors)[order]) >= 0.0).all()


def test_the_version_names_what_scores_and_nothing_else(copied: Path) -> None:
    bundle = Bundle.load(copied)
    retold = Bundle({**bundle.files, METRICS: b'{"auc": 1}'})
    assert retold.version == bundle.version
    graph = bundle.files["calibration.json"].replace(b"platt", b"plato")
    assert Bundle({**bundle.files, "calibration.json": graph}).version != bundle.version


def test_writing_replaces_an_older_bundle_and_leaves_nothing_beside_it(copied: Path) -> None:
    files = Bundle.load(copied).files
    write_bundle(copied, {**files, METRICS: b"{}"})
    assert Bundle.load(copied).metrics == {}
    assert [entry.name for entry in copied.parent.iterdir()] == ["model"]
    assert stat.S_IMODE(copied.stat().st_mode) & 0o500 == 0o500


def test_a_foreign_folder_is_not_replaced(outcome: Outcome, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis\.txt"):
        write_bundle(tmp_path, Bundle.load(outcome.model).files)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("place", ["file", "file/model"])
def test_a_place_that_cannot_be_written_is_named(
    outcome: Outcome, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=place):
        write_bundle(tmp_path / place, Bundle.load(outcome.model).files)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
