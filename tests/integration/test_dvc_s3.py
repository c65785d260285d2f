"""Raw logs in a bucket: a month is stored by its days, and had again anywhere."""

import secrets
from pathlib import Path

import pytest

from tests.integration.conftest import Bucket
from tests.test_dvc import Repository

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # of DVC and its libraries
]


def test_a_month_goes_to_s3_by_days_and_comes_back_in_another_clone(
    s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    prefix = secrets.token_hex(6)
    repository = Repository(tmp_path, remote=f"s3://{s3.name}/{prefix}")
    endpoint = s3.variables["CARTWISE_S3_ENDPOINT"]
    repository("dvc", "remote", "modify", "store", "endpointurl", endpoint)
    month = repository.folder / "data/raw/2019-10"
    month.mkdir(parents=True)

    def push(*days: int) -> int:
        """How many objects some more days add to the bucket."""
        before = len(stored(s3, prefix))
        for day in days:
            (month / f"{day:02}.csv").write_text(f"event_time\n2019-10-{day:02}\n")
        repository("dvc", "add", "-q", "data/raw/2019-10")
        repository("dvc", "push", "-q")
        return len(stored(s3, prefix)) - before

    assert push(1, 2, 3) == 3 + 1  # the list of the month's files is one more
    assert push(4) == 1 + 1
    repository.commit()
    clone = repository.clone(tmp_path / "elsewhere")
    clone("dvc", "pull", "-q", "data/raw/2019-10")
    pulled = sorted((clone.folder / "data/raw/2019-10").iterdir())
    assert [day.read_bytes() for day in pulled] == [
        day.read_bytes() for day in sorted(month.iterdir())
    ]
    assert len(pulled) == 4


def stored(bucket: Bucket, prefix: str) -> list[str]:
    listed = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=f"{prefix}/")
    return [entry["Key"] for entry in listed.get("Contents", [])]
