"""Historical features from Cartwise's offline store: computed from the lake."""

from pathlib import Path

from benchmarks.feast_history import KEYED, retrieve, store_of


def run(question: Path, out: Path) -> None:
    """Write ``out/features.parquet``."""
    lake = str(question.parent / "lake")
    store = store_of(question, "cartwise", {"type": "cartwise.feast.OfflineStore", "lake": lake})
    retrieve(store, question, out, [KEYED])
