"""Answers in Feast's own form."""

from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from cartwise.feast.answers import Answer, Question

FeatureRow: TypeAlias = tuple[datetime | None, dict[str, Value] | None]
"""When a key's last event was, and its features by name; None for one that is not known."""


def feature_rows(question: Question, answer: Answer) -> list[FeatureRow]:
    """An answer by rows."""
    names = question.asked.features
    rows = zip(answer.values.tolist(), answer.last_events.tolist(), strict=True)
    return [
        (datetime.fromtimestamp(last, UTC), dict(zip(names, map(_value, row), strict=True)))
        if np.isfinite(last)
        else (None, None)
        for row, last in rows
    ]


def add_to_response(
    response: GetOnlineFeaturesResponse, question: Question, answer: Answer
) -> None:
    """Add an answer by columns. Who is not known has counts of zero and the status NOT_FOUND."""
    response.metadata.feature_names.val.extend(question.asked.columns)
    statuses = _statuses(answer.last_events)
    timestamps = [_timestamp(last) for last in answer.last_events.tolist()]
    for column in answer.values.T.tolist():
        response.results.append(
            GetOnlineFeaturesResponse.FeatureVector(
                values=map(_value, column), statuses=statuses, event_timestamps=timestamps
            )
        )


def _statuses(last_events: NDArray[np.float64]) -> list[Any]:
    found, unknown = FieldStatus.PRESENT, FieldStatus.NOT_FOUND
    return [found if known else unknown for known in np.isfinite(last_events)]


def _value(number: float) -> Value:
    # NaN is the only number that is not itself.
    return Value(double_val=number) if number == number else Value()  # noqa: PLR0124


def _timestamp(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(seconds)) if np.isfinite(seconds) else Timestamp()
