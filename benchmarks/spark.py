"""Spark on this machine: two cores, no console noise."""

import os
from typing import Final

from pyspark.sql import SparkSession

CORES: Final = 2
MEMORY: Final = "6g"


def session() -> SparkSession:
    """The session of this process, started with the first call."""
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    return (
        SparkSession.builder.master(f"local[{CORES}]")
        .appName("cartwise-benchmarks")
        .config("spark.driver.memory", MEMORY)
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "ERROR")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", 2 * CORES)
        .getOrCreate()
    )
