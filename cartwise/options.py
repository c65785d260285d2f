"""The options of the command line that several commands share, with their help."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cartwise.data.labels import Scope
from cartwise.data.splits import By
from cartwise.duration import parse_duration
from cartwise.errors import InputError
from cartwise.model.policy import Economics
from cartwise.store import require_address

GIGABYTE = 1_000_000_000


def option(*names: str, variable: str, **settings: Any) -> Any:
    """An option that may also be set as ``CARTWISE_<variable>`` in the environment."""
    return typer.Option(*names, envvar=f"CARTWISE_{variable}", show_envvar=False, **settings)


def checked(check: Callable[[Any], object]) -> Callable[[Any], Any]:
    """The callback of an option whose value stays what it is, once ``check`` has not refused it.

    The error then tells where the value was set, which ``check`` does not know.
    """

    def callback(value: Any) -> Any:
        try:
            check(value)
        except InputError as error:
            raise typer.BadParameter(str(error)) from error
        return value

    return callback


def duration(*names: str, variable: str, **settings: Any) -> Any:
    """An option that is a duration, and stays the text that it is."""
    return option(
        *names, variable=variable, callback=checked(parse_duration), metavar="DURATION", **settings
    )


Sources = Annotated[
    list[Path],
    typer.Argument(
        help="Event files (.csv, .csv.gz, .csv.zst, .parquet) or folders of such files.",
        metavar="SRC...",
        show_default=False,
    ),
]
Events = Annotated[
    Path, typer.Option(help="Folder that 'cartwise ingest' wrote.", show_default=False)
]
Training = Annotated[
    Path, typer.Option(help="Folder that 'cartwise features' wrote.", show_default=False)
]
Model = Annotated[Path, typer.Option(help="Model bundle (a folder).", show_default=False)]
Out = Annotated[Path, typer.Option(help="Folder to write to.", show_default=False)]

Json = Annotated[
    bool, typer.Option("--json", help="End with one line of JSON on the standard output.")
]
Quiet = Annotated[bool, option("--quiet", "-q", variable="QUIET", help="Show no progress.")]

Horizon = Annotated[
    str,
    duration(
        "--horizon",
        variable="HORIZON",
        help="A purchase counts if it follows the cart within this time: 30m, 24h, 7d.",
    ),
]
LabelScope = Annotated[
    Scope,
    option(
        "--label-scope",
        variable="LABEL_SCOPE",
        help="Whether the purchase may be in any session of the user, or only in the cart's own.",
    ),
]
SplitBy = Annotated[
    By,
    option(
        "--split",
        variable="SPLIT",
        help="share: 60 % of the carts train, 10 % validate, 10 % calibrate, 20 % test, in order "
        "of time, before one horizon is cut off between them. month: test on the last month, "
        "validate and calibrate on the one before.",
    ),
]
Outages = Annotated[
    Path | None,
    option(
        "--outages",
        variable="OUTAGES",
        help="File of suspect spans, made if missing, yours to edit.",
        show_default="outages.toml in the lake",
    ),
]


def _gigabytes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.1 <= number <= 100_000:
        raise typer.BadParameter(f"'{text}' is no number of gigabytes between 0.1 and 100,000")
    return number


Memory = Annotated[
    float,
    option(
        "--memory",
        variable="MEMORY",
        parser=_gigabytes,
        metavar="GB",
        help="What the states of users may take; more users cost more passes over the log.",
    ),
]
Seed = Annotated[
    int, option("--seed", variable="SEED", min=0, max=2**31 - 1, help="Seed of all that is drawn.")
]
Threads = Annotated[int, option("--threads", variable="THREADS", min=1, help="Threads of XGBoost.")]
Truth = Annotated[
    Path | None,
    typer.Option(
        help="truth.parquet of 'cartwise simulate': reports the share of the ceiling.",
        show_default=False,
    ),
]
Margin = Annotated[
    float,
    option(
        "--margin",
        variable="MARGIN",
        callback=checked(lambda share: Economics(margin_share=share)),
        help="Share of the price that the shop earns.",
    ),
]
NudgeCost = Annotated[
    float,
    option(
        "--nudge-cost",
        variable="NUDGE_COST",
        callback=checked(lambda cost: Economics(nudge_cost=cost)),
        help="What one nudge costs, in the currency.",
    ),
]
BoughtAnyway = Annotated[
    float,
    option(
        "--bought-anyway",
        variable="BOUGHT_ANYWAY",
        callback=checked(lambda share: Economics(bought_anyway_share=share)),
        help="Share of the nudged carts with a purchase that had been bought without the nudge.",
    ),
]
Track = Annotated[
    bool,
    typer.Option(
        "--track/--no-track",
        help="Track the run in MLflow: MLFLOW_TRACKING_URI, or ./mlruns/mlflow.db.",
    ),
]
KafkaBootstrap = Annotated[
    str,
    option(
        "--kafka-bootstrap",
        variable="KAFKA_BOOTSTRAP",
        metavar="HOST:PORT",
        help="Brokers of Kafka to ask first, with commas between them.",
    ),
]
TopicPrefix = Annotated[
    str,
    option(
        "--topic-prefix",
        variable="TOPIC_PREFIX",
        metavar="NAME",
        help="Topics are NAME.events, NAME.scores and NAME.dead-letters.",
    ),
]
DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
DEFAULT_TOPIC_PREFIX = "cartwise"

StoreUrl = Annotated[
    str,
    option(
        "--store-url",
        variable="STORE_URL",
        callback=checked(require_address),
        metavar="URL",
        help="Store of states: redis://host:port/database or sqlite:///path.",
    ),
]
Keys = Annotated[
    Path, option("--keys", variable="KEYS", help="File of API keys: 'cartwise keys create'.")
]
DEFAULT_STORE_URL = "sqlite:///states.db"
DEFAULT_KEYS = Path("keys.json")
TrackingUri = Annotated[
    str | None,
    typer.Option(
        envvar="MLFLOW_TRACKING_URI",
        show_envvar=False,
        help="Server or store of MLflow: MLFLOW_TRACKING_URI, or ./mlruns/mlflow.db.",
        show_default=False,
    ),
]

Features = Annotated[
    Literal["training", "feast"],
    option(
        "--features",
        variable="FEATURES",
        help="Where the vectors come from: the training set as it is, or for its carts from the "
        "feature service of a Feast repository. Both are the same to the bit.",
    ),
]
FeatureRepo = Annotated[
    Path,
    option(
        "--feature-repo",
        variable="FEATURE_REPO",
        help="Folder of the Feast repository, or its feature_store.yaml.",
    ),
]
