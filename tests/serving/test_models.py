import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from cartwise.features.catalogue import SPECIFICATION
from cartwise.model import bundle
from cartwise.model.bundle import Bundle
from cartwise.serving.models import Folder, Models
from tests.serving.worlds import (
    NOW,
    cart_json,
    history,
    make_world,
    write_model,
)


def models_of(folder: Path) -> Models:
    models = Models(SPECIFICATION.fingerprint, Folder(folder), now=lambda: NOW)
    models.refresh()
    return models


def replace(folder: Path, other: Path) -> None:
    bundle.write_bundle(folder, Bundle.load(other).files)


def champion(models: Models) -> str | None:
    return models.pair.champion.version if models.pair else None


def challenger(models: Models) -> str | None:
    return models.pair.challenger.version if models.pair and models.pair.challenger else None


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    """A bundle to change."""
    return Path(shutil.copytree(model, tmp_path / "model"))


def test_a_new_champion_takes_over_and_an_old_one_comes_back(
    folder: Path, model: Path, other_model: Path
) -> None:
    models = models_of(folder)
    versions = [champion(models)]
    for next_one in (other_model, model):
        replace(folder, next_one)
        models.refresh()
        versions.append(champion(models))
    assert versions == [Bundle.load(one).version for one in (model, other_model, model)]
    assert [change.what for change in models.history] == ["loaded"] * 3


def test_the_same_bundle_is_loaded_once(folder: Path) -> None:
    models = models_of(folder)
    before = models.pair
    models.refresh()
    assert models.pair is not None
    assert models.pair.champion is (before and before.champion)


def test_an_altered_bundle_is_refused_and_the_one_before_serves_on(
    folder: Path, other_model: Path
) -> None:
    models = models_of(folder)
    version = champion(models)
    replace(folder, other_model)
    (folder / bundle.CALIBRATION).write_text("{}")
    models.refresh()
    models.refresh()
    assert champion(models) == version
    assert "was altered" in models.trouble["champion"]
    assert [change.what.partition(":")[0] for change in models.history] == ["refused", "loaded"]
    replace(folder, other_model)
    models.refresh()
    assert champion(models) == Bundle.load(other_model).version
    assert not models.trouble


def test_a_bundle_of_another_specification_is_refused(tmp_path: Path) -> None:
    models = models_of(write_model(tmp_path / "model", fingerprint="f00d" * 4))
    assert models.pair is None
    assert "specification" in models.trouble["champion"]


def test_a_bundle_whose_two_models_disagree_is_refused(
    folder: Path, model: Path, other_model: Path
) -> None:
    mixed = Bundle.load(model).files | {
        bundle.BOOSTER: Bundle.load(other_model).files[bundle.BOOSTER]
    }
    bundle.write_bundle(folder, mixed)
    assert "disagree" in models_of(folder).trouble["champion"]


def test_a_bundle_with_a_booster_that_is_none_is_refused_and_the_one_before_serves_on(
    folder: Path, model: Path
) -> None:
    models = models_of(folder)
    bundle.write_bundle(folder, Bundle.load(model).files | {bundle.BOOSTER: b"no booster"})
    models.refresh()
    assert champion(models) == Bundle.load(model).version
    assert "cannot be used" in models.trouble["champion"]


def test_a_challenger_that_became_the_champion_is_scored_once(
    folder: Path, model: Path, other_model: Path
) -> None:
    models = Models(SPECIFICATION.fingerprint, Folder(folder), Folder(other_model), now=lambda: NOW)
    models.refresh()
    tried = [challenger(models)]
    for next_one in (other_model, model):
        replace(folder, next_one)
        models.refresh()
        tried.append(challenger(models))
    version = Bundle.load(other_model).version
    assert tried == [version, None, version]


def test_a_challenger_is_logged_and_never_answered(model: Path, other_model: Path) -> None:
    world = make_world(model, challenger=other_model)
    world.states.apply(history())
    with TestClient(world.app) as client:
        answers = [
            client.post("/v1/score", json=cart_json(user_id=user), headers=world.headers()).json()
            for user in range(10)
        ]
    champion, challenger = Bundle.load(model).version, Bundle.load(other_model).version
    logged = {
        role: [score for score in world.kept.scores if score.role == role]
        for role in ("champion", "challenger")
    }
    assert {answer["model_version"] for answer in answers} == {champion}
    assert [s.probability for s in logged["champion"]] == [a["probability"] for a in answers]
    assert {score.model_version for score in logged["challenger"]} == {challenger}
    pairs = zip(logged["champion"], logged["challenger"], strict=True)
    assert all(one.event_id == other.event_id for one, other in pairs)


def test_without_a_model_nothing_is_ready_and_scores_are_refused(tmp_path: Path) -> None:
    world = make_world(tmp_path / "nowhere")
    with TestClient(world.app) as client:
        refused = client.post("/v1/score", json=cart_json(), headers=world.headers())
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200


def test_the_card_and_the_report_are_shown(model: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    page = f"<h1>Report</h1> of {Bundle.load(model).version}"
    report.write_text(page)
    world = make_world(model, report=report)
    with TestClient(world.app) as client:
        card = client.get("/v1/model/card", headers=world.headers())
        shown = client.get("/v1/model/report", headers=world.headers())
        report.write_text("<h1>Report</h1> of the model before")
        other = client.get("/v1/model/report", headers=world.headers())
    assert card.text == "# A model of noise\n"
    assert card.headers["content-type"].startswith("text/markdown")
    assert shown.text == page
    assert (other.status_code, "another model" in other.json()["detail"]) == (404, True)
