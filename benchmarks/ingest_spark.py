"""The same lake by Spark: https://spark.apache.org/docs/latest/sql-data-sources-csv.html"""

from pathlib import Path

from pyspark.sql import functions as f

from benchmarks.rawlog import raw_files
from benchmarks.spark import session
from cartwise.events import COLUMNS, EVENT_TYPES

_SCHEMA = (
    "event_time STRING, event_type STRING, product_id LONG, category_id LONG, category_code STRING,"
    " brand STRING, price DOUBLE, user_id LONG, user_session STRING"
)


def run(raw: Path, out: Path) -> None:
    """Write the valid, distinct events by day, each day in log order."""
    files = [str(file) for file in raw_files(raw)]
    rows = session().read.csv(files, schema=_SCHEMA, header=True)
    time = f.to_timestamp("event_time", "yyyy-MM-dd HH:mm:ss 'UTC'")
    valid = f.col("event_type").isin(*EVENT_TYPES) & (f.col("price") >= 0)
    given = ["event_time", "product_id", "user_id"]
    (
        rows.withColumn("event_time", time)
        .where(valid)
        .dropna(subset=given)
        .withColumn("position", f.monotonically_increasing_id())
        .groupBy(*COLUMNS)
        .agg(f.min("position").alias("position"))
        .withColumn("event_date", f.to_date("event_time"))
        .repartition("event_date")
        .sortWithinPartitions("event_date", "event_time", "position")
        .drop("position")
        .write.partitionBy("event_date")
        .option("compression", "zstd")
        .mode("overwrite")
        .parquet(str(out))
    )
