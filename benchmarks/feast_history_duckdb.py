"""Historical features from Feast's DuckDB store: https://docs.feast.dev/reference/offline-stores

View by view, which is kinder to it: all at once, seven wide joins wait for one another in memory.
"""

from pathlib import Path

from benchmarks.feast_history import KEYED, retrieve, store_of


def run(question: Path, out: Path) -> None:
    """Write ``out/features.parquet``."""
    store = store_of(question, "duckdb", {"type": "duckdb"})
    retrieve(store, question, out, [[entity] for entity in KEYED])
