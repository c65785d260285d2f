"""Where a model comes from: code, specification, training set, lake, and the DVC and git state."""

import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import yaml

from cartwise.documents import read_document
from cartwise.model.bundle import Bundle
from cartwise.model.manifest import REBUILD
from cartwise.parts import INDEX, MANIFEST
from cartwise.plain_files import read_bytes

_LOCK: Final = "dvc.lock"


def lineage(bundle: Bundle, training: Path | None = None) -> dict[str, str]:
    """Tags that lead from a model to its code and data; ``training`` is its training set."""
    tags = {
        "code_version": code_version(),
        "data_version": bundle.fact("data_version"),
        "feature_fingerprint": bundle.spec.fingerprint,
        "learned_until": bundle.fact("learned_until"),
        "model_version": bundle.version,
    }
    if training is None:
        return tags
    return tags | {"training_set": training_digest(training)} | dvc_versions(training)


def code_version() -> str:
    """The package's version and a hash of its source files: ``0.1.0+source.0123456789ab``."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return f"{metadata.version('cartwise')}+source.{digest.hexdigest()[:12]}"


def training_digest(training: Path) -> str:
    """A name for what a training set holds, 16 hex digits: of its manifest and index of files.

    It is the same whether the set was built at once or day after day, which gives the index
    another order.
    """
    digest = hashlib.sha256()
    for name in (MANIFEST, INDEX):
        file = training / name
        facts = read_document(file, Any, REBUILD) if file.exists() else None
        digest.update(json.dumps(facts, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def dvc_versions(training: Path) -> dict[str, str]:
    """Digests that the nearest ``dvc.lock`` has of its outputs, and the commit; {} without one."""
    lock = next(
        (folder / _LOCK for folder in training.resolve().parents if (folder / _LOCK).exists()), None
    )
    if lock is None:
        return {}
    stages: Mapping[str, Any] = (yaml.safe_load(read_bytes(lock)) or {}).get("stages", {})
    tags = {f"dvc.{path}": digest for path, digest in _outputs(stages)}
    commit = _commit(lock.parent)
    return tags | ({"git_commit": commit} if commit else {})


def _outputs(stages: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for stage in stages.values():
        for output in stage.get("outs", ()):
            if "md5" in output:
                yield output["path"], output["md5"]


def _commit(folder: Path) -> str | None:
    try:
        told = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - the user's own git
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip()
