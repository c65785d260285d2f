"""The published tutorial's protocol on the log that it used, with its figure beside ours.

``python -m benchmarks.tutorial 2019-Oct.csv.gz … 2020-Apr.csv.gz --out tutorial`` labels a cart as
bought if its own session buys the product, and splits by month: the last one tests, the one before
validates and calibrates, all earlier ones train. The months come from Kaggle,
``mkechinov/ecommerce-behavior-data-from-multi-category-store``.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from cartwise.data.labels import LabelSettings
from cartwise.data.splits import SplitSettings
from cartwise.data.training_set import TrainingSetSettings
from cartwise.errors import CartwiseError
from cartwise.model.summary import with_interval
from cartwise.pipeline import RunSettings, run
from cartwise.terminal import open_progress

PUBLISHED: Final = (
    ("gradient boosting on 32 features (tutorial at RecSys 2020)", 0.646),
    ("logistic regression on 6 features, split at random", 0.577),
)
"""AUC of models of this log without features from the future, as their authors publish it."""

DIFFERENCE: Final = (
    "The tutorial's positives are rows of purchases and its negatives rows of carts; ours are all "
    "carts, the first of each session and product."
)

SETTINGS: Final = RunSettings(
    TrainingSetSettings(labels=LabelSettings(scope="session"), split=SplitSettings("month"))
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the protocol and print the table; 1 where it cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tutorial", description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path, help="files of at least three months")
    parser.add_argument("--out", type=Path, default=Path("tutorial"))
    options = parser.parse_args(arguments)
    try:
        found = run(options.sources, options.out, SETTINGS, progress=open_progress())
    except CartwiseError as error:
        Console(stderr=True, highlight=False).print(f"[red]{type(error).__name__}[/]: {error}")
        return 1
    sys.stdout.write(table(found.evaluation.metrics) + "\n")
    return 0


def table(metrics: Mapping[str, Any]) -> str:
    """Our AUC and the published ones, as Markdown."""
    ours, regression = (with_interval(metrics, f"{name}auc") for name in ("", "baseline_logistic_"))
    ours, regression = (with_interval(metrics, f"{name}auc") for name in ("", "baseline_logistic_"))
    rows = [
        f"| Cartwise, {metrics['carts_test']:,} carts of the last month | {ours} |",
        f"| our baseline: logistic regression | {regression} |",
        *(f"| published: {name} | {auc:.3f} |" for name, auc in PUBLISHED),
    ]
    return "\n".join(["| model | AUC (95 % interval) |", "|---|---|", *rows, "", DIFFERENCE])


if __name__ == "__main__":
    sys.exit(main())
