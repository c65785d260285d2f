import json
from pathlib import Path

from cartwise.model.lineage import training_digest


def write(folder: Path, index: dict[str, str]) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"carts": 3}))
    (folder / "files.json").write_text(json.dumps(index))
    return folder


def test_a_training_set_has_one_digest_in_whatever_order_its_days_were_built(
    tmp_path: Path,
) -> None:
    days = {"train/2019-10-01.parquet": "a1", "test/2019-10-02.parquet": "b2"}
    digest = training_digest(write(tmp_path / "one", days))
    again = dict(reversed(days.items()))
    assert training_digest(write(tmp_path / "other", again)) == digest
    changed = days | {"test/2019-10-02.parquet": "b3"}
    assert training_digest(write(tmp_path / "changed", changed)) != digest
